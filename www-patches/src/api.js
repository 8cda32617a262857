// Calls of the API of a node's firewall, and who may make them.

Ext.ns('PVE.nft.Api');

// Addresses that are known to answer.
PVE.nft.Api.there = new Set();

PVE.nft.Api.path = (node, call) => `/nodes/${encodeURIComponent(node)}/firewall/nft/${call}`;

/** Reads in the background: `success(data)`, `failure(response)`. */
PVE.nft.Api.read = function (node, call, options) {
    Proxmox.Utils.API2Request({
        url: PVE.nft.Api.path(node, call),
        method: 'GET',
        params: options.params,
        waitMsgTarget: options.waitMsgTarget,
        success: (response) => options.success(response.result.data),
        failure: options.failure ?? Ext.emptyFn,
    });
};

/** Changes something; tells failures unless there is a handler. */
PVE.nft.Api.change = function (node, call, options) {
    Proxmox.Utils.API2Request({
        url: PVE.nft.Api.path(node, call),
        method: options.method ?? 'POST',
        params: options.params,
        // Longer than the server's own limit: what it says is better than "timeout".
        timeout: 40000,
        waitMsgTarget: options.waitMsgTarget,
        success: (response) => options.success?.(response.result.data),
        failure: (response) => {
            if (options.failure) {
                options.failure(response);
            } else {
                PVE.nft.Api.alert(response);
            }
        },
    });
};

/** Diagnostics and reasons are lines of their own in a message. */
PVE.nft.Api.message = (response) => `<div class="pve-nft-message">${response.htmlStatus.trim()}</div>`;

PVE.nft.Api.alert = (response) => Ext.Msg.alert(gettext('Error'), PVE.nft.Api.message(response));

/**
 * Calls `then` if something answers at the address: at once where that is known, else when it has answered. A node without the
 * package answers 501, who may not ask 403. A service that does not answer is there all the same.
 */
PVE.nft.Api.whenThere = function (url, then) {
    if (PVE.nft.Api.there.has(url)) {
        then();
        return;
    }
    let found = () => {
        PVE.nft.Api.there.add(url);
        then();
    };
    Proxmox.Utils.API2Request({
        url,
        method: 'GET',
        success: found,
        failure: (response) => {
            let status = response.result?.status ?? response.status;
            // An upgrade or a new permission may change that: ask again next time.
            if (![400, 401, 403, 404, 501].includes(status)) {
                found();
            }
        },
    });
};

PVE.nft.Api.caps = () => Ext.state.Manager.get('GuiCap') ?? {};

PVE.nft.Api.mayAudit = () => !!PVE.nft.Api.caps().nodes?.['Sys.Audit'];

PVE.nft.Api.mayModify = () => !!PVE.nft.Api.caps().nodes?.['Sys.Modify'];

PVE.nft.Api.mayAuditGuests = () => !!PVE.nft.Api.caps().vms?.['VM.Audit'];

PVE.nft.Api.mayAuditDatacenter = () => !!PVE.nft.Api.caps().dc?.['Sys.Audit'];
