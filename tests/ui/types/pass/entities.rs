#![deny(warnings)]

use dacapo::{Durable, entity, orchestrator};
use serde::{Deserialize, Serialize};

mod shop {
    use super::{Deserialize, Serialize, entity};

    /// What is in a cart.
    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Cart {
        items: Vec<String>,
    }

    #[entity(name = "cart", crate = ::dacapo)]
    impl Cart {
        /// Puts an item in.
        pub(crate) fn put(&mut self, item: String, r#type: Option<u8>) -> Result<usize, String> {
            if r#type == Some(0) {
                return Err(item);
            }
            self.items.push(item);
            Ok(self.len())
        }

        #[cfg(any())]
        fn removed(&mut self, missing: Missing) {}

        pub(crate) fn first(&self) -> Option<String> {
            self.items.first().cloned()
        }

        pub(crate) fn delete(&mut self) -> usize {
            std::mem::take(&mut self.items).len()
        }
    }

    impl Cart {
        fn len(&self) -> usize {
            self.items.len()
        }
    }
}

use shop::Cart;

#[derive(Default, Serialize, Deserialize)]
enum Door {
    #[default]
    Shut,
    Open,
}

#[entity]
impl Door {
    fn open(&mut self) {
        *self = Self::Open;
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

#[orchestrator]
async fn shops(key: String) -> Result<usize, String> {
    Door::at("front").open().signal();
    let (cart, open) = dacapo::join!(Cart::at(&key).first(), Door::at("front").is_open());
    if let (None, true) = (cart, open) {
        Cart::at(&key).put("apple".to_owned(), None).await?;
    }
    let checked = Cart::at(&key).put("pear".into(), Some(1)).checked().await;
    let guard = dacapo::lock((Cart::at(key.as_str()), [Door::at("front"), Door::at("back")])).await;
    let gone = Cart::at(key).delete().await;
    drop(guard);
    Ok(gone + checked.unwrap_or_default())
}

async fn outside(runtime: dacapo::Runtime) -> dacapo::Result<()> {
    let declared: Result<usize, String> = runtime.call(Cart::at("a").put("fig".into(), None)).await;
    let plain: Result<bool, dacapo::Failure> = runtime.call(Door::at("a").is_open()).await;
    drop((declared, plain));
    runtime.signal(Door::at("a").delete()).await?;
    let _state: Option<Cart> = runtime.state_of("a").await?;
    Ok(())
}

fn is_durable<T>(_: impl Durable<Output = T>) {}

fn main() {
    is_durable::<bool>(Door::at("a").is_open());
    let _ = (shops, outside);
}
