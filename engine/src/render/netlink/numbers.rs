//! Numbers of the kernel's interface: `linux/netlink.h`, `linux/netfilter/nfnetlink.h`, `linux/netfilter/nf_tables.h`,
//! named as there but for their prefixes.

// enum of nfnetlink.h and netfilter.h
pub(super) const SUBSYS_NFTABLES: u16 = 10;
pub(super) const FAMILY_INET: u8 = 1;
pub(super) const FAMILY_NETDEV: u8 = 5;
pub(super) const FAMILY_BRIDGE: u8 = 7;

// NLM_F_
pub(super) const REQUEST: u16 = 1;
pub(super) const CREATE: u16 = 0x400;
pub(super) const APPEND: u16 = 0x800;

// NFT_MSG_
pub(super) const NEWTABLE: u16 = 0;
pub(super) const DELTABLE: u16 = 2;
pub(super) const NEWCHAIN: u16 = 3;
pub(super) const DELCHAIN: u16 = 5;
pub(super) const NEWRULE: u16 = 6;
pub(super) const DELRULE: u16 = 8;
pub(super) const NEWSET: u16 = 9;
pub(super) const DELSET: u16 = 11;
pub(super) const NEWSETELEM: u16 = 12;
pub(super) const DELSETELEM: u16 = 14;
pub(super) const NEWOBJ: u16 = 18;
pub(super) const DELOBJ: u16 = 20;

/// NFTA_TABLE_
pub(super) mod table {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const FLAGS: u16 = 2;
}

/// NFTA_CHAIN_ and NFTA_HOOK_
pub(super) mod chain {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const NAME: u16 = 3;
    pub(crate) const HOOK: u16 = 4;
    pub(crate) const POLICY: u16 = 5;
    pub(crate) const TYPE: u16 = 7;
    pub(crate) const HOOKNUM: u16 = 1;
    pub(crate) const PRIORITY: u16 = 2;
    pub(crate) const DEVICE: u16 = 3;
}

/// NFTA_RULE_
pub(super) mod rule {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const CHAIN: u16 = 2;
    pub(crate) const HANDLE: u16 = 3;
    pub(crate) const EXPRESSIONS: u16 = 4;
    pub(crate) const POSITION: u16 = 6;
    pub(crate) const USERDATA: u16 = 7;
    /// NFTA_LIST_ELEM
    pub(crate) const ELEMENT: u16 = 1;
    /// NFTA_EXPR_NAME
    pub(crate) const NAME: u16 = 1;
    /// NFTA_EXPR_DATA
    pub(crate) const DATA: u16 = 2;
}

/// NFTA_SET_, NFTA_SET_DESC_, NFTA_SET_FIELD_ and NFT_SET_ flags
pub(super) mod set {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const NAME: u16 = 2;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const KEY_TYPE: u16 = 4;
    pub(crate) const KEY_LEN: u16 = 5;
    pub(crate) const DATA_TYPE: u16 = 6;
    pub(crate) const DATA_LEN: u16 = 7;
    pub(crate) const DESC: u16 = 9;
    pub(crate) const ID: u16 = 10;
    pub(crate) const TIMEOUT: u16 = 11;
    pub(crate) const USERDATA: u16 = 13;
    pub(crate) const DESC_SIZE: u16 = 1;
    pub(crate) const DESC_CONCAT: u16 = 2;
    pub(crate) const DESC_FIELD: u16 = 1;
    pub(crate) const FIELD_LEN: u16 = 1;
    pub(crate) const INTERVAL: u32 = 0x4;
    pub(crate) const MAP: u32 = 0x8;
    pub(crate) const HAS_TIMEOUT: u32 = 0x10;
    pub(crate) const EVAL: u32 = 0x20;
    pub(crate) const CONCAT: u32 = 0x80;
}

/// NFTA_SET_ELEM_LIST_, NFTA_SET_ELEM_, NFTA_DATA_, NFTA_VERDICT_
pub(super) mod element {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const SET: u16 = 2;
    pub(crate) const ELEMENTS: u16 = 3;
    /// NFTA_LIST_ELEM
    pub(crate) const ELEMENT: u16 = 1;
    pub(crate) const KEY: u16 = 1;
    pub(crate) const DATA: u16 = 2;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const KEY_END: u16 = 10;
    pub(crate) const INTERVAL_END: u32 = 1;
    pub(crate) const DATA_VALUE: u16 = 1;
    pub(crate) const DATA_VERDICT: u16 = 2;
    pub(crate) const VERDICT_CODE: u16 = 1;
    pub(crate) const VERDICT_CHAIN: u16 = 2;
    /// `NFT_DATA_VERDICT`
    pub(crate) const TYPE_VERDICT: u32 = 0xffff_ff00;
    /// Length of `struct nft_verdict`
    pub(crate) const LEN_VERDICT: u32 = 16;
}

/// NFTA_OBJ_ and NFTA_CT_HELPER_
pub(super) mod object {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const NAME: u16 = 2;
    pub(crate) const TYPE: u16 = 3;
    pub(crate) const DATA: u16 = 4;
    pub(crate) const CT_HELPER: u32 = 3;
    pub(crate) const HELPER_NAME: u16 = 1;
    pub(crate) const HELPER_L3PROTO: u16 = 2;
    pub(crate) const HELPER_L4PROTO: u16 = 3;
}

// Registers: the verdict's, and the first of the sixteen that hold four bytes each.
pub(super) const REG_VERDICT: u32 = 0;
pub(super) const REG_FIRST: u32 = 8;

// Verdicts: NF_ of netfilter.h, NFT_ of nf_tables.h
pub(super) const NF_DROP: i32 = 0;
pub(super) const NF_ACCEPT: i32 = 1;
pub(super) const NFT_JUMP: i32 = -3;
pub(super) const NFT_GOTO: i32 = -4;
pub(super) const NFT_RETURN: i32 = -5;

// NFT_CMP_
pub(super) const CMP_EQ: u32 = 0;
pub(super) const CMP_NEQ: u32 = 1;
pub(super) const CMP_LTE: u32 = 3;
pub(super) const CMP_GTE: u32 = 5;

/// NFT_META_
pub(super) mod meta {
    pub(crate) const PROTOCOL: u32 = 1;
    pub(crate) const MARK: u32 = 3;
    pub(crate) const OIF: u32 = 5;
    pub(crate) const IIFNAME: u32 = 6;
    pub(crate) const OIFNAME: u32 = 7;
    pub(crate) const IIFTYPE: u32 = 8;
    pub(crate) const NFPROTO: u32 = 15;
    pub(crate) const L4PROTO: u32 = 16;
    pub(crate) const BRI_IIFNAME: u32 = 17;
    pub(crate) const BRI_OIFNAME: u32 = 18;
    pub(crate) const BRI_IIFPVID: u32 = 28;
}

// NFT_CT_
pub(super) const CT_STATE: u32 = 0;
pub(super) const CT_MARK: u32 = 3;

// NFTA_FIB_F_
pub(super) const FIB_SADDR: u32 = 1;
pub(super) const FIB_DADDR: u32 = 2;
