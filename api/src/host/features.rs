//! Asks the kernel what it can: a tiny script for each feature, validated and forgotten.

use std::collections::BTreeSet;

use nft_ffi::{CheckError, Nft, Rejected};

use crate::features::Feature;

/// Those of `wanted` that this kernel lacks. A dry run loads modules as a commit does.
///
/// # Errors
/// When a probe fails for a reason other than a refusal, or when the simplest table is refused: then all probes
/// would be, and say nothing.
pub fn missing(nft: &mut Nft, wanted: &BTreeSet<Feature>) -> Result<BTreeSet<Feature>, CheckError> {
    // All at once, because a dry run waits for the kernel for some milliseconds; one by one only if that leaves doubts.
    let Err(rejected) = asked(nft, wanted)? else { return Ok(BTreeSet::new()) };
    let named = named(&rejected, wanted);
    let rest: BTreeSet<Feature> = wanted.difference(&named).copied().collect();
    if !named.is_empty() && !rest.is_empty() && asked(nft, &rest)?.is_ok() {
        return Ok(named);
    }
    nft.check("table inet proxmox-firewall-probe {\n}\n")?;
    if rest.is_empty() {
        return Ok(named);
    }
    let mut missing = BTreeSet::new();
    for feature in wanted {
        if asked(nft, &[*feature].into())?.is_err() {
            missing.insert(*feature);
        }
    }
    Ok(missing)
}

/// Whether the kernel has all of these, else what it complains about.
fn asked(nft: &mut Nft, wanted: &BTreeSet<Feature>) -> Result<Result<(), Rejected>, CheckError> {
    let script: String = wanted.iter().map(|feature| feature.probe()).collect();
    match nft.check(&script) {
        Ok(()) => Ok(Ok(())),
        Err(CheckError::Rejected(rejected)) => {
            tracing::debug!(stage = "features", %rejected, "missing");
            Ok(Err(rejected))
        }
        Err(error) => Err(error),
    }
}

/// The features in whose lines something was refused. The kernel goes on after an error, and reports all of them.
fn named(rejected: &Rejected, wanted: &BTreeSet<Feature>) -> BTreeSet<Feature> {
    let lines = |feature: &Feature| std::iter::repeat_n(*feature, feature.probe().lines().count());
    let of_line: Vec<Feature> = wanted.iter().flat_map(lines).collect();
    let refused =
        rejected.errors.iter().filter_map(|error| usize::try_from(error.line?).ok()?.checked_sub(1));
    refused.filter_map(|line| of_line.get(line).copied()).collect()
}
