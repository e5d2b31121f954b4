//! Docs, `#[cfg]`, `#[deprecated]` and lints stay; other attributes reach the body.
#![deny(warnings, missing_docs)]
//! Crate.

/// Kept.
pub mod shop {
    use dacapo::{activity, orchestrator};

    /// Documented.
    #[activity]
    #[cfg(all())]
    #[allow(unused_variables)]
    pub async fn kept(unused: u32) {}

    /// Never compiled.
    #[cfg(any())]
    #[activity]
    pub async fn before(unknown: Unknown) -> Unknown {}

    /// Never compiled.
    #[activity(retry = Unknown)]
    #[cfg(any())]
    pub async fn after(unknown: Unknown) -> Unknown {}

    /// Never compiled, whatever is wrong with it.
    #[activity]
    #[cfg(any())]
    pub async fn wrong(text: &str) -> impl Sized {}

    /// Old.
    #[orchestrator]
    #[deprecated = "use `newer`"]
    #[inline]
    #[cfg_attr(all(), doc = "Documented twice.")]
    #[expect(unused_variables)]
    pub async fn old(unused: u32) {
        kept(1).await;
    }

    /// Newer.
    #[orchestrator]
    pub async fn newer() {
        #[cfg(any())]
        unknown().await;
        #[allow(unused_must_use)]
        kept(2).await;
        #[cfg(any())]
        println!("{}", unknown);
    }
}

#[allow(deprecated)]
fn main() {
    let _ = (shop::old(1), shop::newer());
}
