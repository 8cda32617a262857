// Our own few classes. Colours are translucent or Proxmox' variables, so that they suit the light and the dark theme.

Ext.util.CSS.createStyleSheet(
    `
.pve-nft-info { color: #3892d4; }
.pve-nft-faint { opacity: .65; }
.pve-nft-mono { font-family: monospace; }
.pve-nft-message { white-space: pre-wrap; max-height: 400px; overflow: auto; }
.pve-nft-cuts { max-height: 160px; overflow: auto; overflow-wrap: anywhere; }
.pve-nft-count { margin-right: 8px; white-space: nowrap; }
.pve-nft-plus { color: #1f9d46; }
.pve-nft-minus { color: #e0523d; }
.pve-nft-link { text-decoration: none; color: #3892d4; }
.pve-nft-link:hover, .pve-nft-link:focus { text-decoration: underline; }
.pve-nft-wrap .x-grid-cell-inner { white-space: normal; overflow-wrap: anywhere; }
.pve-nft-none { padding: 16px; opacity: .65; }
.pve-nft-none, .pve-nft-message, .pve-nft-diff, .pve-nft-trace, .pve-nft-legend { color: var(--pwt-text-color, #404040); }

.pve-nft-banner { padding: 8px 10px; display: flex; align-items: center; gap: 12px; min-height: 52px;
    box-sizing: border-box; border-left: 4px solid transparent; }
.pve-nft-banner.good { border-color: #21bf4b; }
.pve-nft-banner.warning { border-color: #fc0; }
.pve-nft-banner.critical { border-color: #ff6c59; }
.pve-nft-banner.faded { border-color: #cfcfcf; }
.pve-nft-banner, .pve-nft-banner .pve-nft-words { color: var(--pwt-text-color, #333); }
.pve-nft-banner > .fa { font-size: 26px; }
.pve-nft-banner .pve-nft-words { flex: 1; line-height: 1.4; overflow-wrap: anywhere; max-height: 110px; overflow: auto; }
.pve-nft-banner .pve-nft-words b { font-size: 14px; }
.pve-nft-countdown { min-width: 190px; }
.pve-nft-bar { height: 6px; border-radius: 3px; background: rgba(128, 128, 128, .25); overflow: hidden; }
.pve-nft-bar > i { display: block; height: 100%; background: #fc0; transition: width 1s linear; }

.pve-nft-diff { padding: 8px 10px; font-family: monospace; font-size: 12px; line-height: 1.5; }
.pve-nft-diff h4 { margin: 10px 0 2px; font-weight: bold; font-size: 12px; }
.pve-nft-diff h4 .pve-nft-faint { font-weight: normal; }
.pve-nft-diff .pve-nft-row { display: flex; white-space: pre-wrap; overflow-wrap: anywhere; }
.pve-nft-diff .pve-nft-row > span:first-child { flex: 1; padding-left: 18px; text-indent: -14px; }
.pve-nft-diff .pve-nft-row > span + span { padding: 0 6px; white-space: nowrap; }
.pve-nft-added { background: rgba(33, 191, 75, .15); }
.pve-nft-removed { background: rgba(255, 108, 89, .15); }

.pve-nft-trace { padding: 10px; line-height: 1.6; }
.pve-nft-verdict { display: flex; align-items: center; gap: 12px; padding-bottom: 8px; }
.pve-nft-verdict > .fa { font-size: 32px; }
.pve-nft-verdict b { font-size: 18px; text-transform: uppercase; }
.pve-nft-steps { font-size: 12px; border-collapse: collapse; width: 100%; }
.pve-nft-steps td { padding: 1px 8px 1px 0; vertical-align: top; }
.pve-nft-steps tr.pve-nft-hook td { padding-top: 8px; font-weight: bold; }
.pve-nft-steps tr.pve-nft-chain td:first-child { padding-left: 14px; }
.pve-nft-steps tr.pve-nft-rule td:first-child { padding-left: 28px; font-family: monospace; }
.pve-nft-steps tr.pve-nft-passed { opacity: .55; }
.pve-nft-steps tr.pve-nft-deciding td { background: rgba(56, 146, 212, .18); font-weight: bold; }

.pve-nft-hits { position: relative; height: 16px; }
.pve-nft-hits > i { position: absolute; left: 0; top: 2px; bottom: 2px; border-radius: 2px; background: rgba(56, 146, 212, .35); }
.pve-nft-hits.drop > i, .pve-nft-hits.reject > i { background: rgba(255, 108, 89, .4); }
.pve-nft-hits.accept > i { background: rgba(33, 191, 75, .35); }
.pve-nft-hits > span { position: relative; padding-left: 4px; }
.pve-nft-idle .x-grid-cell-inner { opacity: .6; }

.pve-nft-plot { position: relative; }
.pve-nft-plot svg { display: block; width: 100%; overflow: visible; }
.pve-nft-plot text { font-size: 11px; fill: var(--pwt-text-color, #333); }
.pve-nft-plot .pve-nft-grid { stroke: var(--pwt-chart-grid-stroke, #ddd); stroke-width: 1; }
.pve-nft-plot .pve-nft-cursor { stroke: var(--pwt-text-color, #333); stroke-width: 1; stroke-dasharray: 2 2; }
.pve-nft-legend { padding: 4px 10px 0 50px; font-size: 12px; min-height: 18px; }
.pve-nft-legend span { margin-right: 16px; white-space: nowrap; }
.pve-nft-legend i { display: inline-block; width: 10px; height: 10px; margin-right: 5px; border-radius: 2px; }
`,
    'pve-nft',
);
