//! IPAM state.
#![no_main]

use engine::lower::sdn::ipam;
use engine::model::sdn::Sdn;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    firewall_fuzz::read(text, |text, file, _| ((), ipam(text, file, &mut Sdn::default())));
});
