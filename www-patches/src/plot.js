// Rates over time, stacked, drawn as SVG. What it is fed with are counters; what it shows are packets per second.

Ext.define('PVE.nft.Plot', {
    extend: 'Ext.Component',
    alias: 'widget.pveNftPlot',

    cls: 'pve-nft-plot',
    height: 190,

    /** `key`, `title`, `color` of each layer, the lowest first. */
    layers: [],

    /** Seconds on the time axis, when there are so many, and before. */
    spanMax: 600,
    spanMin: 60,

    unit: gettext('packets/s'),

    /** Samples with `time` (Unix time) and `rates` by key; whoever holds them adds to them. */
    samples: [],

    html: '<div class="pve-nft-legend"></div><svg></svg>',

    /** Room for the axes. */
    inset: { left: 50, right: 12, top: 8, bottom: 20 },

    afterRender: function () {
        let me = this;
        me.callParent(arguments);
        me.svg = me.getEl().dom.querySelector('svg');
        me.legend = me.getEl().dom.querySelector('.pve-nft-legend');
        me.svg.addEventListener('mousemove', (event) => me.point(event));
        me.svg.addEventListener('mouseleave', () => me.point(undefined));
        me.redraw();
    },

    onResize: function () {
        this.callParent(arguments);
        this.redraw();
    },

    setSamples: function (samples) {
        this.samples = samples;
        this.redraw();
    },

    total: (me, sample) => me.layers.reduce((sum, layer) => sum + (sample.rates[layer.key] ?? 0), 0),

    redraw: function () {
        let me = this;
        if (!me.svg) {
            return;
        }
        let size = { width: me.getWidth(), height: me.getHeight() - 26 };
        let end = me.samples.at(-1)?.time ?? Date.now() / 1000;
        let shown = me.samples.filter((sample) => sample.time >= end - me.spanMax);
        me.span = Math.max(me.spanMin, end - (shown[0]?.time ?? end));
        let top = PVE.nft.Plot.ceiling(Math.max(1, ...shown.map((sample) => me.total(me, sample))));
        me.frame = {
            shown,
            x: (time) => size.width - me.inset.right - ((end - time) / me.span) * (size.width - me.inset.left - me.inset.right),
            y: (rate) => size.height - me.inset.bottom - (rate / top) * (size.height - me.inset.top - me.inset.bottom),
        };
        me.svg.setAttribute('height', size.height);
        me.svg.innerHTML = PVE.nft.html`${me.grid(size, top, end)}${me.areas()}<line class="pve-nft-cursor" visibility="hidden"
            y1="${me.frame.y(top)}" y2="${me.frame.y(0)}"></line>`.text;
        me.drawLegend(shown.at(-1));
    },

    grid: function (size, top, end) {
        let { x, y } = this.frame;
        let left = this.inset.left;
        let rates = [0, 0.25, 0.5, 0.75, 1].map((part) => part * top);
        let lines = rates.map((rate) => PVE.nft.html`<line class="pve-nft-grid" x1="${left}" x2="${x(end)}" y1="${y(rate)}"
            y2="${y(rate)}"></line><text x="${left - 6}" y="${y(rate) + 4}" text-anchor="end">${PVE.nft.Format.amount(rate)}</text>`);
        let steps = [0, 0.25, 0.5, 0.75, 1].map((part) => end - part * this.span);
        let times = steps.map((time, i) => {
            let anchor = i === 0 ? 'end' : i === steps.length - 1 ? 'start' : 'middle';
            let label = Ext.Date.format(new Date(time * 1000), 'H:i:s');
            return PVE.nft.html`<text x="${x(time)}" y="${size.height - 4}" text-anchor="${anchor}">${label}</text>`;
        });
        return [...lines, ...times];
    },

    areas: function () {
        let me = this;
        let { shown, x, y } = me.frame;
        let below = shown.map(() => 0);
        return me.layers.map((layer) => {
            let above = shown.map((sample, i) => below[i] + (sample.rates[layer.key] ?? 0));
            let forth = shown.map((sample, i) => `${x(sample.time).toFixed(1)},${y(above[i]).toFixed(1)}`);
            let back = shown.map((sample, i) => `${x(sample.time).toFixed(1)},${y(below[i]).toFixed(1)}`).reverse();
            below = above;
            return PVE.nft.html`<polygon data-layer="${layer.key}" points="${[...forth, ...back].join(' ')}" fill="${layer.color}"
                fill-opacity="0.55"></polygon><polyline points="${forth.join(' ')}" fill="none" stroke="${layer.color}"
                stroke-width="1.5"></polyline>`;
        });
    },

    /** Values under the pointer, else the latest ones. */
    point: function (event) {
        let me = this;
        let { shown, x } = me.frame;
        let cursor = me.svg.querySelector('.pve-nft-cursor');
        if (!event || shown.length === 0) {
            cursor.setAttribute('visibility', 'hidden');
            me.drawLegend(shown.at(-1));
            return;
        }
        let at = event.clientX - me.svg.getBoundingClientRect().left;
        let nearest = shown.reduce((best, sample) => (Math.abs(x(sample.time) - at) < Math.abs(x(best.time) - at) ? sample : best));
        cursor.setAttribute('x1', x(nearest.time));
        cursor.setAttribute('x2', x(nearest.time));
        cursor.setAttribute('visibility', 'visible');
        me.drawLegend(nearest, true);
    },

    drawLegend: function (sample, isPast) {
        let me = this;
        let entries = [...me.layers].reverse().map((layer) => {
            let rate = sample ? ` ${PVE.nft.Format.amount(sample.rates[layer.key] ?? 0)}` : '';
            return PVE.nft.html`<span><i style="background:${layer.color}"></i>${layer.title}${rate}</span>`;
        });
        let when = isPast ? Ext.Date.format(new Date(sample.time * 1000), 'H:i:s') : '';
        let note = sample ? when : gettext('Measuring…');
        me.legend.innerHTML = PVE.nft.html`${entries}<span class="pve-nft-faint">${me.unit} ${note}</span>`.text;
    },

    statics: {
        /** The next of 1, 2, 4, 10, 20, 40, 100 …: quarters of them are short numbers. */
        ceiling: function (value) {
            let power = 10 ** Math.floor(Math.log10(value));
            return [1, 2, 4, 10].map((factor) => factor * power).find((bound) => bound >= value);
        },
    },
});
