//! What a person sees and does, with 10,000 objects and 50 satellites.

use super::browser::{Browser, ENTER, TAB};
use super::people::{hub, token};
use super::sample::{HOSTILE, state};
use super::served::Served;
use crate::support::{OPERATOR, client_of};
use groundlink::page::Guard;
use serde_json::json;

/// Returns the ratio of the weakest contrast between a text and what is behind it, and that text.
const CONTRAST: &str = "
  const parse = (color) => { const n = color.match(/[\\d.]+/g).map(Number); return n.length > 3 && n[3] === 0 ? null : n; };
  const light = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let worst = [99, ''];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('.unseen, .skip, thead')) continue;
    let behind = element, back = null;
    while (behind && !back) { back = parse(getComputedStyle(behind).backgroundColor); behind = behind.parentElement; }
    const [a, b] = [light(parse(getComputedStyle(element).color).slice(0, 3)), light((back ?? [255, 255, 255]).slice(0, 3))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, walker.currentNode.data];
  }
  return worst;";

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

/// Signs in by the keyboard alone.
pub async fn sign_in(browser: &Browser, url: &str, token: &str) {
    browser.open(url).await;
    browser.tab_to("token").await;
    browser.press(token).await;
    browser.press(ENTER).await;
    browser.until("the person is signed in", "return !document.getElementById('board').hidden").await;
}

async fn text(browser: &Browser, id: &str) -> String {
    let script = format!("return document.getElementById('{id}').innerText");
    browser.run(&script).await.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_look_by_keyboard_at_any_width_live_and_closed() {
    let (_plane, server, guard) = hub().await;
    let Some(browser) = Browser::start().await else { return };
    let mut served = Served::start(state(now(), false), guard).await;
    browser.look(1180, 900, "light").await;

    // Before the sign-in there is nothing, and a wrong token brings nothing.
    browser.open(&served.url).await;
    browser.press(TAB).await;
    assert_eq!(browser.run("return document.activeElement.id").await, "skip");
    browser.tab_to("token").await;
    browser.press(&format!("wrong{ENTER}")).await;
    browser
        .until(
            "refused",
            "return document.getElementById('sign-in-error').innerText.includes('does not accept')",
        )
        .await;
    assert_eq!(browser.run("return [document.querySelectorAll('td').length, document.getElementById('board').hidden, document.activeElement.id]").await, json!([0, true, "token"]));

    let token = token(&server, "all").await;
    browser.press(&format!("{token}{ENTER}")).await;
    browser.until("the person is signed in", "return !document.getElementById('board').hidden").await;
    holds_the_token_nowhere(&browser, &served.url, &token).await;

    // One look: the counts, the worst satellite and the worst object with its remedy.
    let tiles = text(&browser, "satellite-tiles").await + &text(&browser, "object-tiles").await;
    for count in
        ["2\nsatellites failing", "1\nbehind", "46\ncurrent of 50", "1,500\nobjects refused", "of 12,480"]
    {
        assert!(tiles.contains(count), "{count:?} in {tiles:?}");
    }
    let worst =
        browser.run("return document.querySelector('#satellite-rows tr').innerText").await.to_string();
    for part in
        ["edge-munich-1", "TLSError", "holds 7.1201", "should hold 7.1284", "2 h", "Do:", "tls-server-name"]
    {
        assert!(worst.contains(part), "{part} in {worst}");
    }
    assert_eq!(browser.run("return document.querySelectorAll('#current-rows li').length").await, 46);
    let rows = "return document.querySelectorAll('#object-rows tr').length";
    assert_eq!(browser.run(rows).await, 100);
    // Text is text.
    let first = browser.run("return document.querySelector('#object-rows tr').textContent").await;
    assert!(first.as_str().unwrap().contains(&HOSTILE.replace('`', "")), "{first}");
    assert_eq!(
        browser
            .run("return [document.querySelectorAll('main img, main script').length, window.hacked ?? 'no']")
            .await,
        json!([0, "no"])
    );

    pages_and_filters(&browser).await;
    is_live(&browser, &mut served, &server.service_account_kubeconfig(OPERATOR, OPERATOR).await).await;
    any_width_and_scheme(&browser).await;
    lets_nothing_else_in(&browser).await;

    // Sign out, by the keyboard: nothing stays.
    browser.run("document.getElementById('skip').focus()").await;
    browser.tab_to("sign-out").await;
    browser.press(ENTER).await;
    let left = browser.run("return [document.getElementById('board').hidden, document.querySelectorAll('td, .tiles li, #current-rows li').length, document.body.textContent.includes('team-')]").await;
    assert_eq!(left, json!([true, 0, false]));
    sees_one_namespace(&browser, &server.service_account_token("people", "one").await).await;
    browser.end().await;
}

/// Whoever may list one namespace sees that one, and keeps nothing of it beside another.
async fn sees_one_namespace(browser: &Browser, token: &str) {
    assert_eq!(browser.run("return document.activeElement.id").await, "token");
    browser.press(&format!("{token}{ENTER}")).await;
    browser.until("a namespace is asked for", "return document.getElementById('sign-in-error').innerText.includes('choose it') && document.activeElement.id === 'first-namespace'").await;
    browser.press(&format!("team-a{ENTER}")).await;
    let namespaces = "[...new Set([...document.querySelectorAll('#object-rows th .soft')].map((one) => one.innerText.split(' in ')[1]))].join()";
    browser.until("the namespace", &format!("return {namespaces} === 'team-a' && document.getElementById('no-satellites').innerText.includes('may not list')")).await;
    browser.run("const field = document.getElementById('namespace'); field.focus(); field.select()").await;
    browser.press("team-b").await;
    browser.until("nothing is left", "return document.querySelectorAll('td, .tiles:not([hidden]) li').length === 0 && document.getElementById('not-live').innerText.includes('may list neither') && !document.getElementById('board').hidden").await;
    browser.press(&"\u{e003}".repeat(6)).await;
    browser.press("team-a").await;
    browser.until("the namespace again", &format!("return {namespaces} === 'team-a'")).await;
}

/// The token is in no URL, no cookie, no storage and no attribute; nothing came from another place.
async fn holds_the_token_nowhere(browser: &Browser, url: &str, token: &str) {
    let script = "return { places: [location.href, ...performance.getEntriesByType('resource').map((one) => one.name)],
      kept: [document.cookie, localStorage.length, sessionStorage.length], html: document.documentElement.outerHTML, field: document.getElementById('token').value }";
    let found = browser.run(script).await;
    assert_eq!((&found["kept"], &found["field"]), (&json!(["", 0, 0]), &json!("")));
    let places = found["places"].as_array().unwrap();
    assert!(places.iter().any(|place| place.as_str().unwrap().contains("/api/view")), "{places:?}");
    assert!(places.iter().all(|place| place.as_str().unwrap().starts_with(url)), "{places:?}");
    assert!(!found.to_string().contains(token));
}

async fn pages_and_filters(browser: &Browser) {
    let first = "document.querySelector('#object-rows th').innerText.split('\\n')[0]";
    browser.run("document.getElementById('state').focus()").await;
    browser.tab_to("next").await;
    browser.press(ENTER).await;
    browser.until("the second page", &format!("return {first} === 'http-00100' || document.getElementById('page-text').innerText.startsWith('Page 2 of 100')")).await;
    assert_eq!(browser.run("return document.activeElement.id").await, "next");
    browser.run("document.getElementById('filter').focus()").await;
    browser.press("DB-01507").await;
    browser
        .until(
            "one object",
            &format!(
                "return document.querySelectorAll('#object-rows tr').length === 1 && {first} === 'db-01507'"
            ),
        )
        .await;
    assert!(text(browser, "object-rows").await.contains("suspended"));
    assert_eq!(browser.run("return document.activeElement.id").await, "filter");
    browser.press("x").await;
    browser
        .until(
            "no object",
            "return document.getElementById('objects-note').innerText === 'No object matches.'",
        )
        .await;
    browser.press(&"\u{e003}".repeat(9)).await;
    browser
        .until(
            "all again",
            "return document.getElementById('page-text').innerText.startsWith('Page 1 of 100')",
        )
        .await;
}

/// What changes is seen and heard without a reload; what is old is never shown as new.
async fn is_live(browser: &Browser, served: &mut Served, kubeconfig: &str) {
    browser.run("window.sameDocument = true").await;
    served.set(Some(state(now(), true)));
    browser.until("mended", "return document.querySelectorAll('#object-rows tr').length === 3 && document.querySelectorAll('#current-rows li').length === 50 && window.sameDocument").await;
    browser.until("heard", "return document.getElementById('news').textContent.startsWith('0 objects refused, 3 waiting; 50 of 50')").await;
    let stale = "return document.documentElement.classList.contains('stale') && document.getElementById('live-text').innerText.startsWith('Not live') && document.getElementById('live').getBoundingClientRect().top >= 0 && scrollY > 0 && ";
    // From now on nobody reads the state.
    served.set(None);
    served.stop().await;
    browser
        .until(
            "the loss is shown",
            &format!("{stale} document.getElementById('not-live').innerText.includes('cannot be reached')"),
        )
        .await;
    // The server is back, and has nothing new.
    served.restart(Guard::new(client_of(kubeconfig).await, OPERATOR)).await;
    browser
        .until(
            "the age is shown",
            &format!(
                "{stale} document.getElementById('not-live').innerText.includes('reads no newer state')"
            ),
        )
        .await;
    served.set(Some(state(now(), false)));
    browser.until("live again", "return !document.documentElement.classList.contains('stale') && document.getElementById('not-live').hidden && document.querySelectorAll('#object-rows tr').length === 100").await;
}

async fn any_width_and_scheme(browser: &Browser) {
    let mut backs = Vec::new();
    for (width, scheme) in [(1180, "light"), (1180, "dark"), (320, "light"), (320, "dark")] {
        browser.look(width, 900, scheme).await;
        let seen = browser.run("return [document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor, getComputedStyle(document.getElementById('sign-out')).transitionDuration]").await;
        assert_eq!(seen[0], width, "it scrolls sideways");
        assert_eq!(seen[2], "0s", "motion that nobody wants");
        backs.push(seen[1].clone());
        let beyond = browser.run("return [...document.querySelectorAll('main *')].filter((one) => one.checkVisibility() && !one.closest('thead') && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 80))").await;
        assert_eq!(beyond, json!([]), "at {width}");
        let contrast = browser.run(CONTRAST).await;
        assert!(contrast[0].as_f64().unwrap() >= 4.5, "{width} {scheme}: {contrast}");
        // Where rows become cards, a table is still a table.
        let roles = browser.roles().await;
        let count = |role: &str| roles.iter().filter(|found| *found == role).count();
        assert_eq!((count("table"), count("columnheader"), count("rowheader")), (2, 8, 104), "at {width}");
        assert!(
            count("heading") >= 3 && count("main") == 1 && count("status") >= 1 && count("search") == 1,
            "{roles:?}"
        );
    }
    assert!(backs[0] == backs[2] && backs[1] == backs[3] && backs[0] != backs[1], "{backs:?}");
    let unnamed = browser.run("return [...document.querySelectorAll('input, select, button')].filter((one) => !(one.labels?.length || one.innerText.trim() || one.hidden)).length").await;
    assert_eq!(unnamed, 0);
    browser.look(1180, 900, "light").await;
}

/// The policy holds in the browser: nothing inline runs, nothing is fetched or sent elsewhere.
async fn lets_nothing_else_in(browser: &Browser) {
    let lines = browser.console().await;
    let wrong: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("Content Security Policy") || line.contains("Uncaught"))
        .collect();
    assert!(wrong.is_empty(), "the page breaks its own policy: {wrong:?}");
    let tried = browser.run("
      const tried = [];
      for (const how of [(script) => { script.textContent = 'window.hacked = 1'; }, (script) => { script.src = 'data:text/javascript,window.hacked=1'; }]) {
        const script = document.createElement('script');
        try { how(script); document.head.append(script); } catch (error) { tried.push(error.name); }
      }
      try { document.body.innerHTML = '<p>'; } catch (error) { tried.push(error.name); }
      return fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'blocked').then((sent) => [...tried, sent, window.hacked ?? 'no']);").await;
    assert_eq!(tried, json!(["TypeError", "TypeError", "TypeError", "blocked", "no"]));
    let lines = browser.console().await;
    assert!(lines.iter().any(|line| line.contains("connect-src")), "the policy stopped it: {lines:?}");
}
