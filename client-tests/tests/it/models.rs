//! The tables of `emulator/src/service_model` against botocore's service models, of which they are
//! made.
//!
//! Truth: botocore of the version that `scripts/clients` pins.

use client_tests::programs::{self, Shell};

#[tokio::test]
async fn the_tables_of_operations_are_what_botocore_says() {
    if !programs::present(&["botocore"]).await {
        return;
    }
    let shell = Shell::new(programs::of_the_project("."));
    let _fresh = shell.run("python3 scripts/models --check").await.succeeded();
}
