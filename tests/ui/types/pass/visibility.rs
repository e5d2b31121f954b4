//! Private, restricted and public functions; functions inside functions; `use super::*`.
#![deny(warnings)]

mod shop {
    #[dacapo::activity]
    pub(crate) async fn restricted(n: u32) -> u32 {
        n
    }

    #[dacapo::activity]
    pub(in crate::shop) async fn narrow(n: u32) -> u32 {
        n
    }

    #[dacapo::orchestrator]
    pub async fn open(n: u32) -> u32 {
        inner::private(n).await + narrow(n).await
    }

    mod inner {
        use super::*;

        #[dacapo::orchestrator]
        pub(super) async fn private(n: u32) -> u32 {
            restricted(n).await
        }
    }
}

fn main() {
    #[dacapo::activity]
    async fn local(n: u32) -> u32 {
        n
    }

    #[dacapo::orchestrator]
    async fn uses_local(n: u32) -> u32 {
        local(n).await + shop::open(n).await
    }

    let _ = uses_local(1);
}
