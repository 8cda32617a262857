// Rules for the script in the browser, and for the tests that run in node.

import js from '@eslint/js';

const taste = {
    eqeqeq: 'error',
    'prefer-const': 'off',
    'no-var': 'error',
    'object-shorthand': 'off',
    'no-shadow': 'error',
    'no-implicit-globals': 'error',
    'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    'no-eval': 'error',
    'no-new-func': 'error',
    'no-script-url': 'error',
    'max-lines': ['error', { max: 400 }],
    'max-lines-per-function': ['error', { max: 70 }],
    complexity: ['error', 16],
    'max-params': ['error', 4],
    // Data becomes HTML by PVE.nft.html, which encodes it, and in no other way.
    'no-restricted-properties': [
        'error',
        { object: 'document', property: 'write' },
        { property: 'outerHTML' },
        { property: 'insertAdjacentHTML' },
    ],
};

const browser = {
    Ext: 'readonly',
    PVE: 'readonly',
    Proxmox: 'readonly',
    console: 'readonly',
    gettext: 'readonly',
    TextEncoder: 'readonly',
    TextDecoder: 'readonly',
};

const node = {
    URLSearchParams: 'readonly',
    URL: 'readonly',
    Buffer: 'readonly',
    process: 'readonly',
    console: 'readonly',
    setTimeout: 'readonly',
    clearTimeout: 'readonly',
};

const standin = { document: 'readonly', window: 'readonly', URLSearchParams: 'readonly' };

export default [
    { ignores: ['node_modules/'] },
    js.configs.recommended,
    { rules: taste },
    { files: ['src/*.js'], languageOptions: { sourceType: 'script', ecmaVersion: 2022, globals: browser } },
    { files: ['test/standin/*.js'], languageOptions: { sourceType: 'script', ecmaVersion: 2022, globals: { ...browser, ...standin } } },
    { files: ['*.js', 'test/*.js', 'test/lib/*.js'], languageOptions: { sourceType: 'module', globals: { ...browser, ...standin, ...node } } },
];
