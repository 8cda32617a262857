//! A packet in one line: what is read prints as what reads the same.
#![no_main]

use engine::simulate::Packet;

libfuzzer_sys::fuzz_target!(|line: &str| {
    if let Ok(packet) = line.parse::<Packet>() {
        let printed = packet.to_string();
        assert_eq!(printed.parse::<Packet>(), Ok(packet), "{printed}");
    }
});
