fn main() -> anyhow::Result<()> {
    for (_, y) in groundlink::api::crds::yaml()? { println!("---\n{y}"); }
    Ok(())
}
