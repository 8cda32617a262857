// Starts the page: what the login tells, then the workspace.

Ext.onReady(function () {
    let provider = Ext.create('PVE.StateProvider');
    Ext.state.Manager.setProvider(provider);
    Ext.QuickTips.init();
    let may = new URLSearchParams(window.location.search).get('may') ?? 'modify';
    let nodes = may === 'modify' ? { 'Sys.Audit': 1, 'Sys.Modify': 1 } : may === 'audit' ? { 'Sys.Audit': 1 } : {};
    provider.set('GuiCap', { nodes, vms: { 'VM.Audit': 1 }, dc: nodes });
    window.workspace = Ext.create('PVE.StdWorkspace');
});
