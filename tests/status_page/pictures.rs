//! The pictures of the documentation.

use super::browser::Browser;
use super::people::{hub, token};
use super::sample::{HOSTILE, state};
use super::seen::sign_in;
use super::served::Served;
use std::path::Path;

/// Largest picture, in bytes.
const LARGEST: u64 = 150_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make pictures writes docs/images by it"]
async fn are_written() {
    let (_plane, server, guard) = hub().await;
    let Some(browser) = Browser::start().await else { return };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let mut state = state(now, false);
    state.objects.rows.retain(|row| row.message != HOSTILE);
    let served = Served::start(state, guard).await;
    let token = token(&server, "all").await;
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
    std::fs::create_dir_all(&images).unwrap();
    let pictures = [
        ("status-page-light", 1000, 700, "light", "main"),
        ("status-page-dark", 1000, 640, "dark", "objects-title"),
        ("status-page-narrow", 320, 720, "light", "main"),
    ];
    for (name, width, height, scheme, top) in pictures {
        browser.look(width, height, scheme).await;
        sign_in(&browser, &served.url, &token).await;
        browser
            .until("live", "return document.getElementById('live-text').innerText.startsWith('Live')")
            .await;
        if top != "main" {
            browser.run(&format!("document.getElementById('{top}').scrollIntoView()")).await;
        }
        let file = images.join(format!("{name}.png"));
        browser.picture(&file).await;
        let size = std::fs::metadata(&file).unwrap().len();
        assert!(size < LARGEST, "{} has {size} bytes", file.display());
    }
    browser.end().await;
}
