//! Turns pkg-config's answer about libnftables into linker arguments.

fn main() {
    let found = pkg_config::Config::new().atleast_version("1.0.6").probe("libnftables");
    if let Err(error) = found {
        // A build script has no other way to speak to the person in front of it than its last words.
        eprintln!(
            "libnftables 1.0.6 or newer is needed to build (Debian: libnftables-dev, pkg-config)\n{error}"
        );
        std::process::exit(1);
    }
}
