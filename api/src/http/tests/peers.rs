//! Who is served: the owner of the socket, and readers on theirs.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use hyper::Method;
use serde_json::json;

use super::{Limits, Running, ask, files, folder, good, problem};
use crate::http::listener::{ListenError, bind};

#[tokio::test]
async fn another_user_is_refused_whatever_he_asks() {
    let stranger = nix::unistd::geteuid().as_raw() + 1;
    let service = Running::owned(Limits::default(), Some(files()), stranger);
    for (method, path) in
        [(Method::GET, "/v1/status"), (Method::POST, "/v1/apply"), (Method::GET, "/nothing")]
    {
        problem(&ask(&service.socket, method, path, None).await, 403);
    }
    assert_eq!(good(&ask(&service.read, Method::GET, "/v1/status", None).await)["state"], "active");
}

/// Another user for real, where the tests run as root and can become one.
#[tokio::test]
async fn a_process_of_another_user_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let service = Running::new();
    for path in [&service.folder, &service.socket] {
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(path, open).expect("it is ours");
    }
    let socket = service.socket.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let script = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; \
            print $s \"GET /v1/status HTTP/1.0\\r\\n\\r\\n\"; print <$s>;";
        let mut perl = std::process::Command::new("perl");
        std::os::unix::process::CommandExt::uid(&mut perl, 65534);
        perl.current_dir("/").arg("-e").arg(script).arg(socket).output()
    });
    let output = asked.await.expect("does not panic").expect("perl is essential on Debian");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("HTTP/1.0 403"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("application/problem+json"), "{text}");
}

#[tokio::test]
async fn readers_only_read() {
    let service = Running::new();
    for path in ["/v1/status", "/v1/guests/100", "/metrics", "/v1/openapi.json"] {
        let answer = ask(&service.read, Method::GET, path, None).await;
        assert!(answer.status.is_success(), "{path}");
    }
    for path in ["/v1/apply", "/v1/hold", "/v1/rpc", "/v1/compile", "/v1/simulate", "/v1/guests/100/events"] {
        problem(&ask(&service.read, Method::POST, path, Some(&json!({}))).await, 403);
    }
    problem(&ask(&service.read, Method::PUT, "/v1/reject-mode", Some(&json!({"mode": "drop"}))).await, 403);
    assert_eq!(good(&service.get("/v1/status").await)["generation"]["number"], 1, "nothing has happened");
}

#[tokio::test]
async fn sockets_have_their_modes() {
    let service = Running::new();
    let mode = |path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o7777;
    assert_eq!((mode(&service.socket), mode(&service.read), mode(&service.folder)), (0o600, 0o660, 0o755));
}

#[test]
fn a_stale_socket_is_replaced_a_living_one_is_not() {
    let folder = folder();
    let path = folder.join("api.sock");
    std::fs::create_dir_all(&folder).expect("can be made");
    drop(UnixListener::bind(&path).expect("can be bound"));
    let living = bind(&path, 0o600, None).expect("nobody listens any more");
    assert!(matches!(bind(&path, 0o600, None), Err(ListenError::Taken(_))));
    drop(living);
    std::fs::remove_file(&path).expect("is there");
    std::fs::write(&path, "precious").expect("can be written");
    assert!(matches!(bind(&path, 0o600, None), Err(ListenError::NoSocket(_))));
    std::fs::remove_dir_all(&folder).expect("is ours");
}
