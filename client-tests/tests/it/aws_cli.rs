//! The `aws` of these tests, which a server forks, against the program that people run.
//!
//! Truth: the program itself, as `scripts/clients` installs it.

use client_tests::binary::Binary;
use client_tests::programs::{self, of_the_project};

/// Each `aws --` is run as it is and as the program, in a folder with a space in its name.
const LINES: [&str; 5] = [
    "aws --endpoint-url $API iot describe-thing --thing-name nobody",
    "aws --endpoint-url $API iot describe-thing",
    "aws --endpoint-url $API iot list-things --query 'length(things)' --output text",
    "printf 'ä\\r\\n' | aws --endpoint-url $API s3 cp - s3://trust/k; \
     aws --endpoint-url $API s3 cp s3://trust/k -",
    "aws --endpoint-url $API iot-data publish --topic a --payload fileb://missing",
];

#[tokio::test]
async fn the_quick_aws_cli_does_what_the_program_does() {
    let own = of_the_project(".tools/venv/bin/aws");
    if !programs::present(&["aws"]).await || !own.is_file() {
        return;
    }
    let desk = Binary::start();
    let mut shell = desk.shell().clone();
    shell.set("API", format!("http://localhost:{}", desk.ports()["api_port"]));
    let _made = shell.run("aws --endpoint-url $API s3 mb s3://trust").await.succeeded();
    for line in LINES {
        let quick = shell.run(&format!("mkdir -p 'a b' && cd 'a b' && {line}")).await;
        let plain = line.replace("aws --", &format!("'{}' --", own.display()));
        let plain = shell.run(&format!("cd 'a b' && {plain}")).await;
        let said = (quick.code, &quick.stdout, &quick.stderr);
        assert_eq!(said, (plain.code, &plain.stdout, &plain.stderr), "{line}");
    }
    if cfg!(target_os = "linux") {
        let servers = shell.run("aws --version && cat /proc/net/unix").await.succeeded();
        servers.said("@aws-cli-of-tests-");
    }
}
