// From a line of a configuration file to the view in which it is edited.

Ext.ns('PVE.nft.Places');

// Lines of a section look alike in all files. Order matters: an option's name may be a word like any other.
PVE.nft.Places.cards = [
    [/^\|?\s*(?:in|out|forward|group)\s/i, 'firewall'],
    [/^\[options\]/i, 'firewall-options'],
    [/^\[aliases\]/i, 'firewall-aliases'],
    [/^\[ipset\s/i, 'firewall-ipset'],
    [/^\[group\s/i, 'firewall-sg'],
    [/^[a-z_0-9]+\s*:(?:\s|$)/i, 'firewall-options'],
    [/^[a-z][\w-]+\s+[\da-f:.]+(?:\/\d+)?\s*(?:#|$)/i, 'firewall-aliases'],
    [/^!?\s*(?:\+?(?:dc|guest|sdn)\/|[\da-f]*[:.][\da-f:.]*)/i, 'firewall-ipset'],
];

PVE.nft.Places.card = (text) =>
    PVE.nft.Places.cards.find(([pattern]) => pattern.test((text ?? '').trim()))?.[1] ?? 'firewall';

PVE.nft.Places.guest = function (vmid, card) {
    // `type` decides about the tab's state; a guest that nobody knows leads nowhere.
    let type = ['qemu', 'lxc'].find((kind) => PVE.data.ResourceStore.getById(`${kind}/${vmid}`));
    if (!type) {
        return undefined;
    }
    let hardware = type === 'qemu' ? 'hardware' : 'network';
    return {
        resource: `${type}/${vmid}`,
        tab: type === 'qemu' ? 'kvmtab' : 'lxctab',
        card: card === 'devices' ? hardware : card,
    };
};

/** Resource in the tree, state of its tab, card; nothing for files that have no editor. */
PVE.nft.Places.of = function ({ file, text }) {
    let card = PVE.nft.Places.card(text);
    let found = file.match(/^\/etc\/pve\/(?:firewall\/(\d+)\.fw|nodes\/[^/]+\/(?:qemu-server|lxc)\/(\d+)\.conf)$/);
    if (found) {
        return PVE.nft.Places.guest(found[1] ?? found[2], found[1] ? card : 'devices');
    }
    if (file === '/etc/pve/firewall/cluster.fw') {
        return { resource: 'root', tab: 'dctab', card };
    }
    if (/^\/etc\/pve\/sdn\/firewall\/[^/]+\.fw$/.test(file)) {
        return { resource: 'root', tab: 'dctab', card: 'sdnfirewall' };
    }
    found = file.match(/^\/etc\/pve\/nodes\/([^/]+)\/(?:host\.fw|proxmox-firewall\.cfg)$/);
    if (found) {
        let isSettings = file.endsWith('.cfg');
        return { resource: `node/${found[1]}`, tab: 'nodetab', card: isSettings ? 'firewall-options' : card };
    }
    return undefined;
};

/**
 * Shows a card of a resource. The state is set in silence: a panel that lacks the card, still on screen, would answer with
 * its first card and overwrite it.
 */
PVE.nft.Places.open = function ({ resource, tab, card }) {
    Ext.state.Manager.getProvider().set(tab, { value: card });
    Ext.ComponentQuery.query('pveStdWorkspace')[0]?.selectById(resource);
    let panel = Ext.ComponentQuery.query('pvePanelConfig').find((shown) => shown.hstateid === tab && shown.isVisible(true));
    // It was there before, and has not looked at the state.
    if (panel && panel.getLayout().getActiveItem()?.itemId !== card) {
        PVE.nft.Menus.select(panel, card);
    }
};

/** Shows the view, and selects the rule in it if the line is one. */
PVE.nft.Places.jump = function (place) {
    let target = PVE.nft.Places.of(place);
    if (!target) {
        return;
    }
    if (target.resource === 'root' && place.group) {
        target.card = 'firewall-sg';
    }
    PVE.nft.Places.open(target);
    let rule = PVE.nft.Rule.parse(place.text ?? '');
    if (rule && target.card === 'firewall') {
        PVE.nft.Places.selectRule(rule, target, 50);
    } else if (rule && target.card === 'firewall-sg') {
        PVE.nft.Places.selectInGroup(rule, place.group, 50);
    }
};

/** For PVE.nft.links. */
PVE.nft.Places.handlers = { jump: (data) => PVE.nft.Places.jump(data) };

/** The grid of rules on screen, once it has loaded; `tries` are 100 ms apart. */
PVE.nft.Places.whenLoaded = function (query, tries, then) {
    let grid = Ext.ComponentQuery.query(query).find((found) => found.isVisible(true));
    let store = grid?.getStore();
    if (store?.isLoaded() && !store.isLoading()) {
        then(grid);
    } else if (tries > 0) {
        Ext.defer(PVE.nft.Places.whenLoaded, 100, undefined, [query, tries - 1, then]);
    }
};

PVE.nft.Places.selectRule = function (rule, target, tries) {
    PVE.nft.Places.whenLoaded('pveFirewallRules', tries, (grid) => {
        let found = PVE.nft.Rule.find(rule, grid.getStore().getRange());
        if (found) {
            PVE.nft.Places.show(grid, found);
        } else if (target.resource === 'root') {
            PVE.nft.Places.searchGroups(rule);
        }
    });
};

PVE.nft.Places.show = function (grid, record) {
    grid.getSelectionModel().select(record);
    grid.ensureVisible(record);
};

PVE.nft.Places.selectInGroup = function (rule, group, tries) {
    PVE.nft.Places.whenLoaded('pveSecurityGroupList', tries, (list) => {
        let record = list.getStore().findRecord('group', group, 0, false, true, true);
        if (!record) {
            return;
        }
        PVE.nft.Places.show(list, record);
        let isGroups = (grid) => grid.base_url === `/cluster/firewall/groups/${group}`;
        PVE.nft.Places.whenLoaded('pveFirewallRules', tries, (grid) => {
            let found = isGroups(grid) && PVE.nft.Rule.find(rule, grid.getStore().getRange());
            if (found) {
                PVE.nft.Places.show(grid, found);
            }
        });
    });
};

/** A diagnostic in cluster.fw does not tell the group that its line stands in. */
PVE.nft.Places.searchGroups = function (rule) {
    let request = (url, then) =>
        Proxmox.Utils.API2Request({ url, method: 'GET', success: ({ result }) => then(result.data), failure: Ext.emptyFn });
    let search = ([next, ...rest]) => {
        if (!next) {
            return;
        }
        request(`/cluster/firewall/groups/${encodeURIComponent(next.group)}`, (rules) => {
            if (!PVE.nft.Rule.find(rule, rules.map((data) => ({ data })))) {
                search(rest);
                return;
            }
            PVE.nft.Places.open({ resource: 'root', tab: 'dctab', card: 'firewall-sg' });
            PVE.nft.Places.selectInGroup(rule, next.group, 50);
        });
    };
    request('/cluster/firewall/groups', search);
};
