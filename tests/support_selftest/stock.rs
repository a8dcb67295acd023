//! The stock pair syncs: what `make replay` and `make bench` count as lost is not lost by the kit.

use crate::support::{GENEROUS, Stock, eventually, generations};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Waits until the satellite lists exactly these hosts.
async fn lists(stock: &Stock, wanted: &[(&str, &str)]) {
    let wanted: BTreeMap<_, _> =
        wanted.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect();
    eventually(GENEROUS, &format!("the satellite lists {wanted:?}"), async || {
        let found = stock.satellite.hosts().await?;
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_satellite_gets_what_its_master_has() {
    let Some(generation) = generations().pop() else { return };
    let mut stock = Stock::prepare(generation).await;
    stock.start().await;
    let user = stock.user();
    let host = |address: &str| json!({ "address": address, "check_command": "dummy" });
    // While it is connected.
    user.create("a", host("192.0.2.1")).await.expect("a host");
    user.create("b", host("192.0.2.2")).await.expect("a host");
    lists(&stock, &[("a", "192.0.2.1"), ("b", "192.0.2.2")]).await;
    user.change("a", json!({ "address": "192.0.2.3" })).await.expect("a change");
    user.delete("b").await.expect("a deletion");
    lists(&stock, &[("a", "192.0.2.3")]).await;

    // While it is away, and while the wire is cut, too. A silent wire passes nothing.
    stock.satellite.kill();
    stock.wire.cut();
    user.create("c", host("192.0.2.4")).await.expect("a host");
    stock.satellite.start().await;
    stock.wire.mend().await;
    lists(&stock, &[("a", "192.0.2.3"), ("c", "192.0.2.4")]).await;
    stock.connected().await;
    stock.wire.silence();
    user.create("d", host("192.0.2.5")).await.expect("a host");
    let refused = user.change("unknown", json!({})).await.expect_err("there is no such host");
    assert_eq!(refused.status, 404, "{refused}");
    // A wire that passes would have brought it in a tenth of this time.
    for _ in 0..10 {
        assert_eq!(stock.satellite.hosts().await.expect("the satellite answers").len(), 2);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stock.wire.mend().await;
    lists(&stock, &[("a", "192.0.2.3"), ("c", "192.0.2.4"), ("d", "192.0.2.5")]).await;
}
