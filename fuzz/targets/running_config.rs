//! SDN configuration.
#![no_main]

use engine::lower::sdn::running_config;
use engine::model::sdn::Sdn;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    firewall_fuzz::read(text, |text, file, _| ((), running_config(text, file, &mut Sdn::default())));
});
