//! Synthetic configurations: [`tree()`] a node of any size as administrators write it, [`wild()`] a small one full of
//! edge cases, [`mutate()`] bytes that nobody wrote. Pure functions: the same arguments give the same files.

mod draw;
mod mutate;
mod tree;
mod wild;

pub use draw::Draw;
pub use mutate::mutate;
pub use tree::{FIRST_VMID, OwnSets, Size, Tree, tree};
pub use wild::{pool, reference_facts, wild};
