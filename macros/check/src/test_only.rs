//! Leaves out what only tests compile.

use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, File, ImplItem, Item, Meta, Stmt, Token, TraitItem};

/// Removes everything under `cfg(test)`, and test functions.
pub(crate) fn remove(file: &mut File) {
    if is_test_only(&file.attrs) {
        file.items.clear();
    }
    Remove.visit_file_mut(file);
}

struct Remove;

impl VisitMut for Remove {
    fn visit_file_mut(&mut self, file: &mut File) {
        file.items.retain(|item| !is_test_only(attributes(item)));
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, item: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut item.content {
            items.retain(|item| !is_test_only(attributes(item)));
        }
        visit_mut::visit_item_mod_mut(self, item);
    }

    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        item.items.retain(|item| !matches!(item, ImplItem::Fn(item) if is_test_only(&item.attrs)));
        visit_mut::visit_item_impl_mut(self, item);
    }

    fn visit_item_trait_mut(&mut self, item: &mut syn::ItemTrait) {
        item.items.retain(|item| !matches!(item, TraitItem::Fn(item) if is_test_only(&item.attrs)));
        visit_mut::visit_item_trait_mut(self, item);
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        block.stmts.retain(|stmt| match stmt {
            Stmt::Item(item) => !is_test_only(attributes(item)),
            Stmt::Local(local) => !is_test_only(&local.attrs),
            _ => true,
        });
        visit_mut::visit_block_mut(self, block);
    }
}

fn is_test_only(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let last = attr.path().segments.last().map(|last| last.ident.to_string());
        match (last.as_deref(), &attr.meta) {
            (Some("cfg"), Meta::List(list)) => list.parse_args::<Meta>().is_ok_and(|meta| holds(&meta) == Some(false)),
            (Some("test" | "bench"), _) => true,
            _ => false,
        }
    })
}

/// Whether a condition holds outside tests; `None` when that depends on the build.
fn holds(meta: &Meta) -> Option<bool> {
    let Meta::List(list) = meta else {
        return meta.path().is_ident("test").then_some(false);
    };
    let Ok(inner) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
        return None;
    };
    let all: Vec<Option<bool>> = inner.iter().map(holds).collect();
    let decided = |by: bool| {
        if all.contains(&Some(by)) { Some(by) } else { all.iter().all(Option::is_some).then_some(!by) }
    };
    match list.path.get_ident().map(ToString::to_string).as_deref() {
        Some("all") => decided(false),
        Some("any") => decided(true),
        Some("not") => all.first().copied().flatten().map(|value| !value),
        _ => None,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
