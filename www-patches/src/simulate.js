// A packet as one describes it; what happens to it, and which line decides.

Ext.define('PVE.nft.Simulate', {
    extend: 'Ext.panel.Panel',
    alias: 'widget.pveNftSimulate',

    layout: 'border',
    nodename: undefined,

    initComponent: function () {
        let me = this;
        me.places = Ext.create('Ext.data.Store', { fields: ['value', 'title'], data: PVE.nft.Simulate.fixedPlaces });
        me.items = [me.form(), { xtype: 'panel', region: 'center', border: false, scrollable: true, itemId: 'result', items: [me.trace()] }];
        me.callParent(arguments);
        me.on('activate', me.listGuests, me);
    },

    trace: () => ({ xtype: 'pveNftTrace', itemId: 'trace' }),

    form: function () {
        let me = this;
        let place = (name, fieldLabel, value) => ({
            xtype: 'combobox',
            name,
            fieldLabel,
            value,
            store: me.places,
            queryMode: 'local',
            valueField: 'value',
            displayField: 'value',
            anyMatch: true,
            selectOnFocus: true,
            allowBlank: false,
            matchFieldWidth: false,
            listConfig: { minWidth: 280, getInnerTpl: () => '{value:htmlEncode} <span class="pve-nft-faint">{title:htmlEncode}</span>' },
            // vmbr0/eno1 and a guest's further devices may be typed.
            regex: /^(?:host|outside|(?:vm|ct)\d+(?:i\d+)?|[\w.-]+\/\S+)$/,
            regexText: gettext('host, outside, vm100, vm100i1, ct200, vmbr0/eno1'),
        });
        let address = (name, fieldLabel) => ({ xtype: 'textfield', name, fieldLabel, allowBlank: true, regex: /^[\da-f:.]+$/i });
        let port = (name, fieldLabel) => ({ xtype: 'numberfield', name, fieldLabel, minValue: 0, maxValue: 65535, allowDecimals: false });
        return {
            xtype: 'form',
            itemId: 'form',
            region: 'west',
            width: 330,
            split: true,
            border: false,
            scrollable: true,
            bodyPadding: 10,
            defaults: { anchor: '100%', labelWidth: 120 },
            items: [
                place('from', gettext('From'), 'outside'),
                place('to', gettext('To'), 'host'),
                me.protocol(),
                address('source', gettext('Source')),
                port('sport', gettext('Source port')),
                address('dest', gettext('Destination')),
                port('dport', gettext('Dest. port')),
                { xtype: 'numberfield', name: 'icmp', fieldLabel: gettext('ICMP type'), value: 8, minValue: 0, maxValue: 255, hidden: true },
                { xtype: 'checkboxfield', name: 'saved', boxLabel: gettext('Through what is saved, not what is enforced'), inputValue: 1 },
                { xtype: 'checkboxfield', name: 'all', boxLabel: gettext('Show rules that do not match, too'), inputValue: 1 },
            ],
            buttons: [{ text: gettext('Simulate'), itemId: 'simulate', formBind: true, handler: () => me.simulate() }],
            listeners: {
                afterrender: (form) => form.getEl().on('keydown', (event) => event.getKey() === event.ENTER && me.simulate()),
            },
        };
    },

    protocol: function () {
        let me = this;
        return {
            xtype: 'combobox',
            name: 'protocol',
            fieldLabel: gettext('Protocol'),
            value: 'tcp',
            store: ['tcp', 'udp', 'icmp', 'icmpv6', 'sctp', 'igmp'],
            queryMode: 'local',
            regex: /^(?:[a-z][a-z0-9-]*|\d{1,3})$/,
            allowBlank: false,
            listeners: { change: (_field, value) => me.showFields(value) },
        };
    },

    showFields: function (protocol) {
        let hasPorts = ['tcp', 'udp', 'sctp', 'udplite', 'dccp'].includes(protocol);
        for (const [name, isShown] of [['sport', hasPorts], ['dport', hasPorts], ['icmp', /^icmp/.test(protocol)]]) {
            let field = this.down(`[name=${name}]`);
            field.setVisible(isShown);
            field.setDisabled(!isShown);
        }
    },

    listGuests: function () {
        let me = this;
        PVE.nft.Api.read(me.nodename, 'guests', {
            success: (guests) => {
                if (me.destroyed) {
                    return;
                }
                let places = guests.map(({ vmid, kind }) => ({
                    value: `${kind === 'lxc' ? 'ct' : 'vm'}${vmid}`,
                    title: PVE.data.ResourceStore.guestName(vmid),
                }));
                me.places.loadData([...PVE.nft.Simulate.fixedPlaces, ...places]);
            },
        });
    },

    simulate: function () {
        let me = this;
        let form = me.down('#form').getForm();
        if (!form.isValid()) {
            return;
        }
        let values = form.getFieldValues();
        let params = { from: values.from, to: values.to, protocol: values.protocol };
        for (const name of ['source', 'dest', 'sport', 'dport']) {
            let field = form.findField(name);
            if (!field.isDisabled() && values[name] !== null && values[name] !== '') {
                params[name] = values[name];
            }
        }
        if (values.saved) {
            params.saved = 1;
        }
        if (values.all) {
            params.all = 1;
        }
        PVE.nft.Api.read(me.nodename, 'simulate', {
            params: PVE.nft.Simulate.withType(params, values),
            waitMsgTarget: me,
            success: (trace) => me.down('#trace').setTrace(trace),
            failure: (response) => me.down('#trace').setProblem(response),
        });
    },

    statics: {
        fixedPlaces: [
            { value: 'outside', title: gettext('the network beyond this node') },
            { value: 'host', title: gettext('this node') },
        ],

        /** A type of ICMP has no parameter of its own: the packet is told in one line then, which needs addresses. */
        withType: function (params, { icmp }) {
            if (!/^icmp/.test(params.protocol) || !params.source || !params.dest) {
                return params;
            }
            let { from, to, protocol, source, dest, ...others } = params;
            return { packet: `${from} ${to} ${protocol} ${source} > ${dest} type=${icmp ?? 8}`, ...others };
        },
    },
});
