// Stand-ins for classes of pve-manager (9.2): as much of each as our script overrides, finds on the page, or calls. The
// comment of each names the source whose contract it keeps.

Ext.ns('PVE.Utils');

// www/manager6/data/ResourceStore.js: resources by id; guestName, '-' for a guest that it does not know
PVE.data = {};
PVE.data.ResourceStore = Ext.create('Ext.data.Store', {
    fields: ['id', 'type', 'node', 'vmid', 'name'],
    proxy: { type: 'proxmox', url: '/api2/json/cluster/resources' },
    autoLoad: true,
});
PVE.data.ResourceStore.guestName = (vmid) =>
    PVE.data.ResourceStore.findRecord('vmid', vmid, 0, false, true, true)?.get('name') ?? '-';

// www/manager6/StateProvider.js: get, set(name, { value }, fire); GuiCap as the login gave it
Ext.define('PVE.StateProvider', {
    extend: 'Ext.state.Provider',

    set: function (name, value, fire) {
        this.state[name] = value;
        if (fire) {
            this.fireEvent('statechange', this, name, value);
        }
    },
});

// www/manager6/panel/ConfigPanel.js: a menu of the items' titles, below `groups`; the card of the selected one is made
// then; insertNodes makes the menu; selectById; state `hstateid`
Ext.define('PVE.panel.Config', {
    extend: 'Ext.panel.Panel',
    alias: 'widget.pvePanelConfig',
    layout: 'card',
    border: false,
    dockedItems: [
        {
            xtype: 'toolbar',
            dock: 'left',
            style: { padding: 0 },
            width: 170,
            layout: { type: 'vbox', align: 'stretch' },
            items: { xtype: 'treelist', itemId: 'menu', ui: 'nav', expanderFirst: false, singleExpand: false, animation: false },
        },
    ],

    initComponent: function () {
        let me = this;
        let provider = Ext.state.Manager.getProvider();
        me.savedItems = {};
        me.store = Ext.create('Ext.data.TreeStore', { root: { expanded: true } });
        me.insertNodes(me.items);
        me.items = [];
        me.callParent();
        let menu = me.down('#menu');
        let root = me.store.getRoot();
        let find = (id) => root.findChild('id', id, true) ?? root.firstChild;
        menu.setStore(me.store);
        menu.on('selectionchange', (_list, node) => node && me.activateCard(node.get('id')));
        menu.setSelection(find(provider.get(me.hstateid)?.value));
        me.mon(provider, 'statechange', (_provider, key, state) => key === me.hstateid && menu.setSelection(find(state.value)));
    },

    insertNodes: function (items) {
        let me = this;
        for (const item of items) {
            let parent = me.store.getRoot();
            for (let group = item.groups?.shift(); group; group = item.groups.shift()) {
                parent = parent.findChild('id', group) ?? parent;
            }
            if (me.savedItems[item.itemId]) {
                throw 'an itemId occurs twice';
            }
            me.savedItems[item.itemId] = { header: false, ...item };
            parent.appendChild({ id: item.itemId, text: item.title, iconCls: item.iconCls, leaf: true, expanded: true });
        }
    },

    activateCard: function (id) {
        let me = this;
        let before = me.getLayout().getActiveItem();
        let card = me.add({ pveSelNode: me.pveSelNode, border: false, ...me.savedItems[id] });
        me.setActiveItem(card);
        if (before) {
            me.remove(before, true);
            Ext.state.Manager.getProvider().set(me.hstateid, { value: id });
        }
    },

    selectById: function (id) {
        let node = this.store.getRoot().findChild('id', id, true);
        if (node) {
            this.down('#menu').setSelection(node);
        }
        return node ? id : '';
    },
});

PVE.standinItem = (xtype, itemId, title, more) => ({ xtype, itemId, title, iconCls: 'fa fa-square-o', ...more });

// www/manager6/node/Config.js: state nodetab; pveSelNode.data.node; Firewall with Options and Log
Ext.define('PVE.node.Config', {
    extend: 'PVE.panel.Config',
    hstateid: 'nodetab',

    initComponent: function () {
        let base = `/nodes/${this.pveSelNode.data.node}/firewall`;
        let groups = () => ({ groups: ['firewall'] });
        this.items = [
            PVE.standinItem('panel', 'summary', gettext('Summary')),
            PVE.standinItem('pveFirewallRules', 'firewall', gettext('Firewall'), { base_url: `${base}/rules`, iconCls: 'fa fa-shield' }),
            PVE.standinItem('pveFirewallOptions', 'firewall-options', gettext('Options'), {
                base_url: `${base}/options`,
                fwtype: 'node',
                iconCls: 'fa fa-gear',
                ...groups(),
            }),
            PVE.standinItem('panel', 'firewall-fwlog', gettext('Log'), { iconCls: 'fa fa-list', ...groups() }),
            PVE.standinItem('panel', 'tasks', gettext('Task History')),
        ];
        this.callParent();
    },
});

// www/manager6/qemu/Config.js, www/manager6/lxc/Config.js: states kvmtab, lxctab; pveSelNode.data.node, .vmid
PVE.standinGuestItems = function ({ node, type, vmid }, hardware) {
    let base = `/nodes/${node}/${type}/${vmid}/firewall`;
    return [
        PVE.standinItem('panel', 'summary', gettext('Summary')),
        PVE.standinItem('panel', hardware, hardware),
        PVE.standinItem('pveFirewallRules', 'firewall', gettext('Firewall'), { base_url: `${base}/rules`, iconCls: 'fa fa-shield' }),
        PVE.standinItem('pveFirewallOptions', 'firewall-options', gettext('Options'), { base_url: `${base}/options`, fwtype: 'vm', groups: ['firewall'] }),
    ];
};

Ext.define('PVE.qemu.Config', {
    extend: 'PVE.panel.Config',
    hstateid: 'kvmtab',

    initComponent: function () {
        this.items = PVE.standinGuestItems({ ...this.pveSelNode.data, type: 'qemu' }, 'hardware');
        this.callParent();
    },
});

Ext.define('PVE.lxc.Config', {
    extend: 'PVE.panel.Config',
    hstateid: 'lxctab',

    initComponent: function () {
        this.items = PVE.standinGuestItems({ ...this.pveSelNode.data, type: 'lxc' }, 'network');
        this.callParent();
    },
});

// www/manager6/dc/Config.js: state dctab; Firewall with Options and security groups
Ext.define('PVE.dc.Config', {
    extend: 'PVE.panel.Config',
    hstateid: 'dctab',

    initComponent: function () {
        let base = '/cluster/firewall';
        this.items = [
            PVE.standinItem('panel', 'summary', gettext('Summary')),
            PVE.standinItem('pveFirewallRules', 'firewall', gettext('Firewall'), { base_url: `${base}/rules`, iconCls: 'fa fa-shield' }),
            PVE.standinItem('pveFirewallOptions', 'firewall-options', gettext('Options'), { base_url: `${base}/options`, fwtype: 'dc', groups: ['firewall'] }),
            PVE.standinItem('pveSecurityGroups', 'firewall-sg', gettext('Security Group'), { groups: ['firewall'] }),
        ];
        this.callParent();
    },
});

// www/manager6/grid/FirewallOptions.js: initComponent empties `rows`, adds its own, then calls ObjectGrid's
Ext.define('PVE.FirewallOptions', {
    extend: 'Proxmox.grid.ObjectGrid',
    alias: 'widget.pveFirewallOptions',

    initComponent: function () {
        let me = this;
        me.rows = {};
        me.add_boolean_row('enable', gettext('Firewall'), { defaultValue: 1 });
        if (me.fwtype === 'node') {
            me.add_boolean_row('nftables', gettext('nftables (tech preview)'), {});
        }
        me.url = `/api2/json${me.base_url}`;
        me.editorConfig = { url: `/api2/extjs${me.base_url}` };
        me.tbar = [{ text: gettext('Edit'), handler: () => me.run_editor() }];
        me.callParent();
        me.rstore.load();
    },
});

// www/manager6/grid/FirewallRules.js: base_url; records of what the API lists, by `pos`
Ext.define('PVE.FirewallRules', {
    extend: 'Ext.grid.Panel',
    alias: 'widget.pveFirewallRules',

    initComponent: function () {
        let column = (dataIndex) => ({ dataIndex, text: dataIndex, renderer: Ext.htmlEncode, flex: 1 });
        this.store = Ext.create('Ext.data.Store', { fields: ['pos'], idProperty: 'pos' });
        this.columns = ['pos', 'type', 'action', 'macro', 'iface', 'proto', 'source', 'dest', 'dport', 'comment'].map(column);
        this.callParent();
        if (this.base_url) {
            this.setBaseUrl(this.base_url);
        }
    },

    setBaseUrl: function (url) {
        this.base_url = url;
        this.store.setProxy({ type: 'proxmox', url: `/api2/json${url}` });
        this.store.load();
    },
});

// www/manager6/dc/SecurityGroups.js: the rules of the group that is selected in the list
Ext.define('PVE.SecurityGroupList', {
    extend: 'Ext.grid.Panel',
    alias: 'widget.pveSecurityGroupList',

    initComponent: function () {
        let me = this;
        me.store = Ext.create('Ext.data.Store', {
            fields: ['group'],
            proxy: { type: 'proxmox', url: '/api2/json/cluster/firewall/groups' },
            autoLoad: true,
        });
        me.columns = [{ dataIndex: 'group', text: gettext('Group'), flex: 1 }];
        me.callParent();
        me.on('select', (_model, { data }) => me.up('panel').down('pveFirewallRules').setBaseUrl(`/cluster/firewall/groups/${data.group}`));
    },
});

Ext.define('PVE.SecurityGroups', {
    extend: 'Ext.panel.Panel',
    alias: 'widget.pveSecurityGroups',
    layout: 'border',
    items: [
        { xtype: 'pveFirewallRules', region: 'center' },
        { xtype: 'pveSecurityGroupList', region: 'west', width: 200 },
    ],
});

// www/manager6/Workspace.js: selectById shows the resource's panel
Ext.define('PVE.StdWorkspace', {
    extend: 'Ext.container.Viewport',
    alias: 'widget.pveStdWorkspace',
    layout: 'fit',

    selectById: function (id) {
        let [type] = id.split('/');
        let classes = { root: 'PVE.dc.Config', node: 'PVE.node.Config', qemu: 'PVE.qemu.Config', lxc: 'PVE.lxc.Config' };
        if (this.shown === id) {
            return;
        }
        this.shown = id;
        let data = PVE.data.ResourceStore.getById(id)?.data ?? {};
        this.removeAll(true);
        this.add(Ext.create(classes[type], { pveSelNode: { data } }));
    },
});
