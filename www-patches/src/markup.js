// HTML from data: whatever is put into `html` is encoded, unless it is a piece of such HTML itself.

Ext.ns('PVE.nft');

PVE.nft.Markup = class {
    constructor(text) {
        this.text = text;
    }

    toString() {
        return this.text;
    }
};

PVE.nft.encoded = function (value) {
    if (value instanceof PVE.nft.Markup) {
        return value.text;
    }
    if (Array.isArray(value)) {
        return value.map(PVE.nft.encoded).join('');
    }
    return value === undefined || value === null ? '' : Ext.htmlEncode(String(value));
};

/** Tag of template literals: html`<b>${anything}</b>` */
PVE.nft.html = function (parts, ...values) {
    let encoded = values.map(PVE.nft.encoded);
    return new PVE.nft.Markup(parts.map((part, i) => part + (encoded[i] ?? '')).join(''));
};

/** What an attribute `data-qtip` holds becomes HTML once more when the tip is shown. */
PVE.nft.tip = (text) => Ext.htmlEncode(String(text));

/** A renderer of grid cells out of a function that gives HTML or plain text. */
PVE.nft.rendered = (render) => function (...args) {
    return PVE.nft.encoded(render.apply(this, args));
};

/** For columns that hold plain text: without a renderer a grid takes it for HTML. */
PVE.nft.plain = PVE.nft.rendered((value) => value);

/** Looks like a link, acts like a button; `name` leads to the handler (see PVE.nft.links). */
PVE.nft.link = (name, label, data = {}) => {
    let attributes = Object.entries(data).map(([key, value]) => PVE.nft.html` data-${key}="${value}"`);
    return PVE.nft.html`<a href="#" class="pve-nft-link" data-act="${name}"${attributes}>${label}</a>`;
};

/** Calls handlers[name](dataset) for clicks on links below the component. */
PVE.nft.links = function (component, handlers) {
    let listen = () =>
        component.getEl().on('click', (event) => {
            let link = event.getTarget('a.pve-nft-link');
            if (!link) {
                return;
            }
            event.stopEvent();
            // The panel around it may go now. Ext JS would hand its focus on to what had it before, which may be gone by then.
            link.blur();
            handlers[link.dataset.act]?.(link.dataset);
        });
    if (component.rendered) {
        listen();
    } else {
        component.on('afterrender', listen, undefined, { single: true });
    }
};
