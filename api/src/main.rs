//! The binary: everything is in the library, so that tests can call it.
#![forbid(unsafe_code)]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    proxmox_firewall::cli::main()
}
