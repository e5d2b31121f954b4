//! Reads what the items of a file or a block declare.

use crate::declared::{Declared, Held};
use crate::function::FunctionKind;
use crate::names::{Names, Segments, declared_statics, segments};
use crate::recorded::written;
use crate::refused::holds_state;
use crate::scope::Scope;
use crate::syntax::Starts;
use crate::ty::{Local, Ty, bind};
use syn::visit::Visit as _;
use syn::{Attribute, Block, FnArg, ImplItem, Item, ItemImpl, ItemTrait, ReturnType, Signature, StaticMutability, TraitItem};

impl Declared {
    pub(crate) fn collect_names(&mut self, module: &Segments, items: &[Item]) {
        self.modules.entry(module.clone()).or_default().extend(Names::of(items));
        for item in items {
            if let Item::Mod(syn::ItemMod { ident, content: Some((_, items)), .. }) = item {
                let mut inner = module.clone();
                inner.push(ident.to_string());
                self.collect_names(&inner, items);
            }
        }
    }

    pub(crate) fn collect(&mut self, module: &Segments, items: &[Item]) {
        for item in items {
            if let Item::Mod(syn::ItemMod { ident, content: Some((_, items)), .. }) = item {
                let mut inner = module.clone();
                inner.push(ident.to_string());
                self.collect(&inner, items);
            } else {
                let mut other = Self::default();
                other.item(&Scope::<Local>::new(&self.modules, module.clone(), None), module, item);
                self.merge(other);
            }
        }
    }

    /// Takes up what one item declares under `owner`.
    pub(crate) fn item(&mut self, scope: &Scope<'_, Local>, owner: &[String], item: &Item) {
        let path = |name: &syn::Ident| owner.iter().cloned().chain([name.to_string()]).collect::<Segments>();
        match item {
            Item::Fn(item) => self.function(scope, path(&item.sig.ident), &item.attrs, &item.sig, &item.block),
            Item::Impl(item) => self.implementation(scope, item),
            Item::Struct(item) => {
                let types = item.fields.iter().enumerate().filter_map(|(at, field)| {
                    let name = field.ident.as_ref().map_or_else(|| at.to_string(), ToString::to_string);
                    Some((name, Ty::of(&field.ty, scope)?))
                });
                self.fields.insert(path(&item.ident), types.collect());
                self.written.extend(written(&item.attrs, &item.fields, scope).map(|types| (path(&item.ident), types)));
            }
            Item::Enum(item) => {
                let fields = item.variants.iter().flat_map(|variant| &variant.fields);
                self.written.extend(written(&item.attrs, fields, scope).map(|types| (path(&item.ident), types)));
            }
            Item::Trait(item) => self.provided(scope, path(&item.ident), item),
            Item::Const(item) => {
                self.statics.insert(path(&item.ident), Held { ty: Ty::of(&item.ty, scope), state: false });
            }
            Item::Static(item) => {
                let ty = Ty::of(&item.ty, scope);
                let mutable = matches!(item.mutability, StaticMutability::Mut(_));
                let state = mutable || ty.as_ref().is_some_and(stateful);
                self.statics.insert(path(&item.ident), Held { ty, state });
            }
            Item::Macro(item) if item.ident.is_none() => {
                let name = item.mac.path.segments.last().map(|last| last.ident.to_string());
                if matches!(name.as_deref(), Some("thread_local" | "lazy_static")) {
                    for name in declared_statics(item.mac.tokens.clone()) {
                        let path = owner.iter().cloned().chain([name]).collect();
                        self.statics.insert(path, Held { ty: None, state: true });
                    }
                }
            }
            _ => {}
        }
    }

    fn implementation(&mut self, scope: &Scope<'_, Local>, item: &ItemImpl) {
        let Some(ty) = Ty::of(&item.self_ty, scope) else {
            return;
        };
        if attribute_of(&item.attrs, scope, |name| (name == "entity").then_some(())).is_some() {
            self.entities.insert(ty.path.clone());
        }
        if let Some((name, _)) = &item.trait_ {
            let any = item.generics.type_params().any(|parameter| ty.path == [parameter.ident.to_string()]);
            let implementor = if any { Segments::new() } else { ty.path.clone() };
            self.traits.entry(implementor).or_default().push(scope.resolve(&segments(name)));
        }
        let scope = scope.clone().with_self(ty.path.clone());
        for item in &item.items {
            if let ImplItem::Fn(item) = item {
                let path = ty.path.iter().cloned().chain([item.sig.ident.to_string()]).collect();
                self.function(&scope, path, &item.attrs, &item.sig, &item.block);
            }
        }
    }

    /// Takes up the methods that a trait provides.
    fn provided(&mut self, scope: &Scope<'_, Local>, trait_path: Segments, item: &ItemTrait) {
        let scope = scope.clone().with_self(trait_path.clone());
        for item in &item.items {
            if let TraitItem::Fn(item) = item
                && item.default.is_some()
            {
                let path = trait_path.iter().cloned().chain([item.sig.ident.to_string()]).collect();
                self.signature(&scope, path, &item.attrs, &item.sig);
            }
        }
    }

    fn function(&mut self, scope: &Scope<'_, Local>, path: Segments, attrs: &[Attribute], sig: &Signature, block: &Block) {
        let mut starts = Starts::default();
        starts.visit_block(block);
        if starts.here && kind_of(attrs, scope) == FunctionKind::Plain {
            self.starters.insert(path.clone());
        }
        self.signature(scope, path, attrs, sig);
    }

    fn signature(&mut self, scope: &Scope<'_, Local>, path: Segments, attrs: &[Attribute], sig: &Signature) {
        if let ReturnType::Type(_, ty) = &sig.output
            && let Some(ty) = Ty::of(ty, scope)
        {
            self.outputs.insert(path.clone(), ty);
        }
        self.kinds.insert(path, kind_of(attrs, scope));
    }
}

/// A pattern that was compiled once is the same in every process, so a lazy static of it is data.
fn stateful(ty: &Ty) -> bool {
    let data = |ty: &Ty| ty.path.first().is_some_and(|name| name == "regex");
    holds_state(&ty.path) && !ty.args.first().is_some_and(data)
}

/// What the attributes of a function make of it, also under another name: `use dacapo::activity as task`.
pub(crate) fn kind_of<T: Clone>(attrs: &[Attribute], scope: &Scope<'_, T>) -> FunctionKind {
    let kind = attribute_of(attrs, scope, |name| match name {
        "activity" => Some(FunctionKind::Activity),
        "orchestrator" => Some(FunctionKind::Orchestrator),
        _ => None,
    });
    kind.unwrap_or(FunctionKind::Plain)
}

/// What the first attribute that means something is, as written or as imported.
fn attribute_of<T: Clone, A>(attrs: &[Attribute], scope: &Scope<'_, T>, known: impl Fn(&str) -> Option<A>) -> Option<A> {
    let known = |name: Option<&String>| known(name?);
    attrs.iter().filter(|attr| !attr.path().is_ident("doc")).find_map(|attr| {
        let written = segments(attr.path());
        known(written.last()).or_else(|| known(scope.resolve(&written).last()))
    })
}

/// The parameters of a signature, as locals.
pub(crate) fn bind_parameters(sig: &Signature, self_type: Option<Segments>, scope: &mut Scope<'_, Local>) {
    for input in &sig.inputs {
        match input {
            FnArg::Receiver(_) => {
                let ty = self_type.clone().map(|path| Ty { path, args: Vec::new() });
                scope.bind("self".to_owned(), ty);
            }
            FnArg::Typed(input) => {
                let ty = Ty::of(&input.ty, scope);
                bind(&input.pat, ty, scope);
            }
        }
    }
}
