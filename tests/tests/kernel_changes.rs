//! What changed, loaded into this machine's kernel: the host's table alone, since not every kernel tracks connections
//! on bridges.

use firewall_tests::Failure;
use firewall_tests::fixtures;
use firewall_tests::namespace::Namespace;
use firewall_tests::nft::Loader;
use firewall_tests::succession::{Next, edited, load};
use firewall_tests::wire::judge::inet_only;

fn inet((name, ruleset): Next) -> Next {
    (name, inet_only(&ruleset))
}

#[test]
fn small_changes_lead_to_the_new_ruleset() -> Result<(), Failure> {
    let _namespace = Namespace::new()?;
    let tally = load(&mut Loader::library()?, (0..20).flat_map(|seed| edited(seed, 10)).map(inet))?;
    assert!(tally.n_steps >= 30 && tally.n_untouched >= 200, "{tally:?}");
    Ok(())
}

#[test]
fn any_fixture_leads_to_any_other() -> Result<(), Failure> {
    let _namespace = Namespace::new()?;
    let rulesets = fixtures::all().into_iter().map(|fixture| (fixture.name, fixture.compiled.plan.ruleset));
    let tally = load(&mut Loader::library()?, rulesets.map(inet))?;
    assert!(tally.n_steps >= 20, "{tally:?}");
    Ok(())
}
