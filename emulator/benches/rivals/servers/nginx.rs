//! nginx with mutual TLS, which answers each POST with two words: what HTTPS costs without a broker
//! behind it.
//!
//! Truth: <https://nginx.org/en/docs/http/ngx_http_ssl_module.html>.

use std::path::Path;

use super::{Kind, Process, Server, Under, free_port, loopback, run, write};
use crate::material::Fleet;

pub(super) fn start(program: &Path, fleet: &Fleet, under: Under) -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let address = loopback(free_port());
    let configuration = configuration(fleet, folder.path(), address.port());
    let configuration = write(folder.path(), "nginx.conf", &configuration);
    let mut command = run(program, under);
    command.arg("-p").arg(folder.path()).arg("-c").arg(configuration);
    command.args(["-e", "stderr"]);
    let mut process = Process::start(command, folder);
    process.until_it_listens(address);
    Server { kind: Kind::Nginx, mqtt: address, https: address, process }
}

/// One process, so that all it spends is seen; the others have one thread too.
fn configuration(fleet: &Fleet, folder: &Path, port: u16) -> String {
    let (certificate, key) = fleet.server_pem();
    let file = |name: &str, text: &str| write(folder, name, text).display().to_string();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary =
        temporary.map(|kind| format!("  {kind}_temp_path {};\n", folder.join(kind).display()));
    format!(
        "daemon off;\nmaster_process off;\nworker_rlimit_nofile 10000;\npid {pid};\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  error_log stderr crit;\n  tcp_nodelay on;\n\
         {temporary}  keepalive_requests 1000000000;\n\
         server {{\n    listen 127.0.0.1:{port} ssl;\n    ssl_certificate {certificate};\n\
         ssl_certificate_key {key};\n    ssl_client_certificate {ca};\n    ssl_verify_client on;\n\
         ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_tickets off;\n\
         location / {{ default_type application/json; return 200 '{{\"message\":\"OK\"}}'; }}\n\
         }}\n}}\n",
        pid = folder.join("pid").display(),
        temporary = temporary.concat(),
        certificate = file("certificate.pem", &certificate),
        key = file("private.key", &key),
        ca = file("ca.pem", &fleet.ca_pem()),
    )
}
