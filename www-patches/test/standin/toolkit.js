// Stand-ins for classes of proxmox-widget-toolkit (5.2): as much of each as our script calls. The comment of each names
// the source whose contract it keeps.

// src/Toolkit.js: requests bear no parameter against caches
Ext.Ajax.setDisableCaching(false);

// Cookie and token come with the page; here the server asks for neither.
Proxmox.Utils = {
    // src/Utils.js: authOK
    authOK: () => true,

    // src/Utils.js: format_boolean
    format_boolean: (value) => (value ? gettext('Yes') : gettext('No')),

    // src/Utils.js: format_duration_human
    format_duration_human: function (seconds) {
        let units = [['d', 86400], ['h', 3600], ['m', 60], ['s', 1]];
        let rest = Math.round(seconds);
        let parts = [];
        for (const [name, size] of units) {
            if (rest >= size) {
                parts.push(Math.floor(rest / size) + name);
                rest %= size;
            }
        }
        return parts.slice(0, 2).join(' ');
    },

    // src/Utils.js: setErrorMask: `true` is "loading", a text is HTML
    setErrorMask: function (component, message) {
        let el = component.el;
        if (el && message) {
            el.mask(message === true ? gettext('Loading...') : message);
        } else {
            el?.unmask();
        }
    },

    // src/Utils.js: monStoreErrors, getResponseErrorMessage: masks the component with what the server says, until it succeeds
    monStoreErrors: function (component, store) {
        component.mon(store.proxy, 'afterload', function (_proxy, request, success) {
            let error = success ? undefined : request._operation.getError();
            let text = error && `${error.statusText ?? 'Connection error'} (${error.status})`;
            Proxmox.Utils.setErrorMask(component, text ? Ext.htmlEncode(text) : false);
        });
    },

    // src/Utils.js: extractRequestError: HTML, the message encoded, each wrong parameter in a line
    extractRequestError: function (result) {
        let text = Ext.htmlEncode(result.message || 'Unknown error') + (result.status ? ` (${Number(result.status)})` : '');
        for (const [name, problem] of Object.entries(result.errors ?? {})) {
            text += `<br><b>${Ext.htmlEncode(name)}</b>: ${Ext.htmlEncode(problem)}`;
        }
        return text;
    },

    // src/Utils.js: API2Request: below /api2/extjs, which answers 200 with `success`; `response.result`, and for failures
    // `response.htmlStatus`; a mask over `waitMsgTarget` meanwhile; failures that nobody handles are shown
    API2Request: function (options) {
        let target = options.waitMsgTarget;
        let fail = (response) => {
            if (options.failure) {
                options.failure(response);
            } else {
                Ext.Msg.alert(gettext('Error'), response.htmlStatus);
            }
        };
        target?.setLoading(true);
        Ext.Ajax.request({
            ...options,
            url: options.url.startsWith('/api2') ? options.url : `/api2/extjs${options.url}`,
            success: function (response) {
                target?.setLoading(false);
                response.result = Ext.decode(response.responseText);
                if (response.result.success) {
                    options.success?.(response);
                } else {
                    response.htmlStatus = Proxmox.Utils.extractRequestError(response.result);
                    fail(response);
                }
            },
            failure: function (response) {
                target?.setLoading(false);
                response.result = {};
                response.htmlStatus = Ext.htmlEncode(`Connection error ${response.status}: ${response.statusText}`);
                fail(response);
            },
        });
    },
};

// src/data/ProxmoxProxy.js: reads below `data`, tells of each request by `afterload`
Ext.define('Proxmox.RestProxy', {
    extend: 'Ext.data.proxy.Rest',
    alias: 'proxy.proxmox',
    pageParam: null,
    startParam: null,
    limitParam: null,
    groupParam: null,
    sortParam: null,
    filterParam: null,
    noCache: false,

    constructor: function (config) {
        this.callParent([{ reader: { type: 'json', rootProperty: 'data' }, ...config }]);
    },

    afterRequest: function (request, success) {
        this.fireEvent('afterload', this, request, success);
    },
});

Ext.define('KeyValue', { extend: 'Ext.data.Model', fields: ['key', 'value'], idProperty: 'key' });

// src/data/reader/JsonObject.js: an object becomes a record for each key; `rows` add what is required or has a default
Ext.define('Proxmox.data.reader.JsonObject', {
    extend: 'Ext.data.reader.Json',
    alias: 'reader.jsonobject',
    config: { rows: undefined },

    getResponseData: function (response) {
        let object = Ext.decode(response.responseText)[this.getRootProperty()] ?? {};
        let rows = this.getRows();
        if (!rows) {
            return Object.entries(object).map(([key, value]) => ({ key, value }));
        }
        return Object.entries(rows)
            .filter(([key, row]) => object[key] !== undefined || row.defaultValue !== undefined || row.required)
            .map(([key, row]) => ({ key, value: object[key] ?? row.defaultValue }));
    },
});

// src/data/UpdateStore.js: loads again `interval` ms after the last answer, between startUpdate and stopUpdate
Ext.define('Proxmox.data.UpdateStore', {
    extend: 'Ext.data.Store',
    config: { interval: 3000 },

    startUpdate: function () {
        let me = this;
        me.stopUpdate();
        me.running = {};
        let mine = me.running;
        let again = () => mine === me.running && me.load(() => Ext.defer(again, me.getInterval()));
        Ext.defer(again, 1);
    },

    stopUpdate: function () {
        this.running = undefined;
    },

    destroy: function () {
        this.stopUpdate();
        this.callParent();
    },
});

// src/data/ObjectStore.js
Ext.define('Proxmox.data.ObjectStore', {
    extend: 'Proxmox.data.UpdateStore',

    constructor: function (config) {
        this.callParent([
            {
                model: 'KeyValue',
                proxy: { type: 'proxmox', url: config.url, reader: { type: 'jsonobject', rows: config.rows, rootProperty: 'data' } },
                ...config,
            },
        ]);
    },
});

// src/data/DiffStore.js: follows `rstore` record by record, so that what is shown does not flicker
Ext.define('Proxmox.data.DiffStore', {
    extend: 'Ext.data.Store',

    constructor: function (config) {
        let me = this;
        me.callParent([{ ...config, model: config.rstore.model, proxy: 'memory' }]);
        me.rstore = config.rstore;
        me.mon(me.rstore, 'load', (_store, _records, success) => success && me.follow());
        if (me.rstore.isLoaded()) {
            me.follow();
        }
    },

    follow: function () {
        let me = this;
        let all = me.getData().getSource() ?? me.getData();
        me.remove(all.items.filter((record) => !me.rstore.getById(record.getId())));
        me.rstore.each(({ data }) => {
            let known = all.getByKey(data[me.model.prototype.idProperty]);
            if (known) {
                known.set(data, { commit: true });
            } else {
                me.add(Ext.apply({}, data));
            }
        });
        me.filter();
        me.fireEvent('refresh', me);
    },
});

// src/button/Button.js: disabled as enableFn(record) says for the selection of the grid around it; asks confirmMsg first
Ext.define('Proxmox.button.Button', {
    extend: 'Ext.button.Button',
    alias: 'widget.proxmoxButton',
    enableFn: Ext.emptyFn,

    initComponent: function () {
        let me = this;
        let handler = me.handler;
        me.handler = function (button, event) {
            let record = me.selModel?.getSelection()[0];
            let message = Ext.isFunction(me.confirmMsg) ? me.confirmMsg(record) : me.confirmMsg;
            let run = () => handler(button, event, record);
            if (message) {
                Ext.Msg.confirm(gettext('Confirm'), message, (answer) => answer === 'yes' && run());
            } else {
                run();
            }
        };
        me.callParent();
        me.selModel = me.up('grid')?.getSelectionModel();
        me.selModel?.on('selectionchange', (_model, [record]) => me.setDisabled(!record || me.enableFn(record) === false));
    },
});

// src/form/KVComboBox.js: `comboItems` of value and text
Ext.define('Proxmox.form.KVComboBox', {
    extend: 'Ext.form.field.ComboBox',
    alias: 'widget.proxmoxKVComboBox',
    queryMode: 'local',
    displayField: 'value',
    valueField: 'key',
    editable: false,

    initComponent: function () {
        this.store = Ext.create('Ext.data.ArrayStore', { fields: ['key', 'value'], data: this.comboItems });
        this.callParent();
    },
});

// src/window/Edit.js: load(options) reads `url` and calls options.success or fills the fields; OK writes by PUT
Ext.define('Proxmox.window.Edit', {
    extend: 'Ext.window.Window',
    alias: 'widget.proxmoxWindowEdit',
    modal: true,
    layout: 'fit',

    initComponent: function () {
        let me = this;
        me.title = `${gettext('Edit')}: ${me.subject}`;
        me.items = me.formPanel = Ext.create('Ext.form.Panel', { items: me.items, bodyPadding: 10, border: false, defaults: { anchor: '100%' } });
        me.buttons = [{ text: gettext('OK'), handler: () => me.submit() }];
        me.callParent();
    },

    load: function (options) {
        let me = this;
        Proxmox.Utils.API2Request({
            url: me.url,
            method: 'GET',
            success: (response) => (options?.success ? options.success(response) : me.setValues(response.result.data)),
        });
    },

    setValues: function (values) {
        this.formPanel.getForm().setValues(values);
    },

    submit: function () {
        let me = this;
        Proxmox.Utils.API2Request({
            url: me.url,
            method: 'PUT',
            params: me.formPanel.getForm().getValues(),
            waitMsgTarget: me,
            success: () => me.close(),
        });
    },
});

// src/grid/ObjectGrid.js: `rows` by key with header, renderer, editor, visible; `gridRows` make rows by add_XTYPE_row
Ext.define('Proxmox.grid.ObjectGrid', {
    extend: 'Ext.grid.Panel',
    alias: 'widget.proxmoxObjectGrid',
    gridRows: [],
    editorConfig: {},
    hideHeaders: true,

    makeRow: function (name, text, options, field) {
        this.rows = this.rows ?? {};
        let items = { name, fieldLabel: text, value: options.defaultValue, ...field };
        this.rows[name] = {
            header: text,
            required: true,
            defaultValue: options.defaultValue,
            renderer: options.renderer,
            editor: { xtype: 'proxmoxWindowEdit', subject: text, items },
        };
    },

    add_combobox_row: function (name, text, options) {
        this.makeRow(name, text, options, { xtype: 'proxmoxKVComboBox', comboItems: options.comboItems });
    },

    add_boolean_row: function (name, text, options) {
        let defaults = { defaultValue: 0, renderer: Proxmox.Utils.format_boolean };
        this.makeRow(name, text, { ...defaults, ...options }, { xtype: 'checkboxfield', inputValue: 1, uncheckedValue: 0 });
    },

    initComponent: function () {
        let me = this;
        me.gridRows.forEach((row) => me[`add_${row.xtype}_row`](row.name, row.text, row));
        let { rows } = me;
        me.rstore ??= Ext.create('Proxmox.data.ObjectStore', { url: me.url, rows: me.rows, interval: me.interval });
        me.store = Ext.create('Proxmox.data.DiffStore', {
            rstore: me.rstore,
            // A record may still come when the grid is gone.
            filters: [({ data }) => !!rows[data.key] && rows[data.key].visible !== false],
        });
        me.columns = [
            { dataIndex: 'key', width: me.cwidth1 ?? 200, renderer: (key) => me.rows[key].header ?? key },
            { dataIndex: 'value', flex: 1, renderer: (value, meta, record) => me.rows[record.data.key].renderer?.call(me, value, meta, record) ?? value },
        ];
        Proxmox.Utils.monStoreErrors(me, me.rstore);
        me.callParent();
    },

    run_editor: function () {
        let me = this;
        let editor = me.rows[me.getSelectionModel().getSelection()[0].data.key].editor;
        let edit = Ext.widget({ ...me.editorConfig, ...editor });
        edit.load();
        edit.show();
        edit.on('destroy', () => me.rstore.load());
    },
});
