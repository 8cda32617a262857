//! Text of a configuration file -> sections with their lines, and words with their places. Form only: what a
//! line means is [`crate::lower`]'s business.

pub(crate) mod cursor;
pub(crate) mod nearest;
pub(crate) mod section;
