//! Asks the kernel what it can: a tiny script for each feature, validated and forgotten.

use std::collections::BTreeSet;

use nft_ffi::{CheckError, Nft};

use crate::features::Feature;

/// Those of `wanted` that this kernel lacks. A dry run loads modules as a commit does.
///
/// # Errors
/// When a probe fails for a reason other than a refusal, or when the simplest table is refused: then all probes
/// would be, and say nothing.
pub fn missing(nft: &mut Nft, wanted: &BTreeSet<Feature>) -> Result<BTreeSet<Feature>, CheckError> {
    // All at once, because a dry run waits for the kernel for some milliseconds; one by one only if that fails.
    let all: String = wanted.iter().map(|feature| feature.probe()).collect();
    match nft.check(&all) {
        Ok(()) => return Ok(BTreeSet::new()),
        Err(CheckError::Rejected(_)) => {}
        Err(error) => return Err(error),
    }
    nft.check("table inet proxmox-firewall-probe {\n}\n")?;
    let mut missing = BTreeSet::new();
    for feature in wanted {
        match nft.check(&feature.probe()) {
            Ok(()) => {}
            Err(CheckError::Rejected(rejected)) => {
                tracing::debug!(stage = "features", feature = %feature.name(), %rejected, "missing");
                missing.insert(*feature);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}
