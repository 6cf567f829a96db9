//! mosquitto, told to lose nothing and to be as fast as it can: no log, no disk, no delay.
//!
//! Truth: <https://mosquitto.org/man/mosquitto-conf-5.html>.

use std::path::Path;
use std::process::Command;

use super::{Kind, Process, Server, Under, free_port, loopback, run, write};
use crate::material::{Fleet, access_list};

pub(super) fn start(program: &Path, fleet: &Fleet, under: Under) -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let address = loopback(free_port());
    let mut command = run(program, under);
    command.args(arguments(fleet, folder.path(), address.port()));
    let mut process = Process::start(command, folder);
    process.until_it_listens(address);
    Server { kind: Kind::Mosquitto, mqtt: address, https: address, process }
}

pub(super) fn command(program: &Path, fleet: &Fleet, folder: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(arguments(fleet, folder, port));
    command
}

fn arguments(fleet: &Fleet, folder: &Path, port: u16) -> [std::ffi::OsString; 2] {
    let (certificate, key) = fleet.server_pem();
    let file = |name: &str, text: &str| write(folder, name, text).display().to_string();
    let configuration = format!(
        "listener {port} 127.0.0.1\n\
         cafile {ca}\ncertfile {certificate}\nkeyfile {key}\n\
         require_certificate true\nuse_identity_as_username true\nacl_file {access_list}\n\
         user root\npersistence false\nlog_dest none\nsys_interval 0\nset_tcp_nodelay true\n\
         max_connections -1\nmax_inflight_messages 100\nmax_inflight_bytes 0\n\
         max_queued_messages 100000\nmax_queued_bytes 0\nmax_packet_size 149504\n",
        ca = file("ca.pem", &fleet.ca_pem()),
        certificate = file("certificate.pem", &certificate),
        key = file("private.key", &key),
        access_list = file("access_list", &access_list()),
    );
    ["-c".into(), write(folder, "mosquitto.conf", &configuration).into()]
}
