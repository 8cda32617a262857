//! What changed, loaded into the kernel: both tables, by either version of nft.

use firewall_tests::Failure;
use firewall_tests::fixtures;
use firewall_tests::namespace::Namespace;
use firewall_tests::nft::{Loader, without_ports};
use firewall_tests::succession::{Next, edited, load};

fn all_fixtures() -> impl Iterator<Item = Next> {
    fixtures::all().into_iter().map(|fixture| (fixture.name, without_ports(&fixture.compiled.plan.ruleset)))
}

fn nft113() -> Result<Loader, Failure> {
    let nft = std::env::var("NFT113").map_err(|_| "NFT113 is not set; run tests/vm/suite")?;
    Ok(Loader::Program(nft))
}

#[test]
fn small_changes_lead_to_the_new_ruleset() -> Result<(), Failure> {
    let _namespace = Namespace::new()?;
    let tally = load(&mut Loader::library()?, (0..8).flat_map(|seed| edited(seed, 6)))?;
    println!("{tally:?}");
    assert!(tally.n_steps >= 10 && tally.n_untouched >= 200, "{tally:?}");
    Ok(())
}

#[test]
fn any_fixture_leads_to_any_other() -> Result<(), Failure> {
    let _namespace = Namespace::new()?;
    let tally = load(&mut Loader::library()?, all_fixtures())?;
    println!("{tally:?}");
    assert!(tally.n_steps >= 40, "{tally:?}");
    Ok(())
}

#[test]
fn nft_1_1_3_takes_the_same_changes() -> Result<(), Failure> {
    let _namespace = Namespace::new()?;
    let edits = (0..4).flat_map(|seed| edited(seed, 4));
    let tally = load(&mut nft113()?, all_fixtures().chain(edits))?;
    println!("{tally:?}");
    assert!(tally.n_steps >= 40, "{tally:?}");
    Ok(())
}
