//! Synthetic configurations: [`tree()`] a node of any size as administrators write it, [`wild()`] a small one full of
//! edge cases, [`edit()`] a small change, [`mutate()`] bytes that nobody wrote. Pure functions: the same arguments give the same files.

mod draw;
mod edit;
mod mutate;
mod tree;
mod wild;

pub use draw::Draw;
pub use edit::{edit, wild_inputs};
pub use mutate::mutate;
pub use tree::{FIRST_VMID, OwnSets, Size, Tree, tree};
pub use wild::{pool, reference_facts, wild};
