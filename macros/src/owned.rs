//! Which types can be recorded, as far as they can be told by their looks.

use quote::ToTokens;
use syn::visit::Visit;
use syn::{GenericArgument, Ident, Lifetime, PathArguments, Type, TypePath, TypeReference};

use crate::context::Context;

/// Looks for types that cannot be recorded and read back.
pub(crate) struct Owned<'a> {
    pub(crate) noun: &'a str,
    /// `take` or `return`.
    pub(crate) place: &'a str,
    pub(crate) generics: &'a [&'a Ident],
    pub(crate) cx: &'a mut Context,
}

impl Owned<'_> {
    fn refuse(&mut self, tokens: impl ToTokens, what: &str, instead: &str) {
        let (noun, place) = (self.noun, self.place);
        let message = format!("{noun} cannot {place} {what}; the value is recorded, and read back after a restart; {instead}");
        self.cx.on_signature(tokens, message);
    }
}

impl<'ast> Visit<'ast> for Owned<'_> {
    fn visit_type(&mut self, ty: &'ast Type) {
        match ty {
            Type::Reference(reference) => {
                let (what, more) = match reference.mutability {
                    Some(_) => ("a `&mut` reference", " and return the new value"),
                    None => ("a reference", ""),
                };
                self.refuse(reference, what, &format!("{} `{}`{more}", self.place, owned(reference)));
            }
            Type::ImplTrait(_) => self.refuse(ty, "`impl Trait`", "name the type"),
            Type::Infer(_) => self.refuse(ty, "an inferred type", "name the type"),
            Type::Ptr(_) => self.refuse(ty, "a pointer", "use an owned type"),
            Type::Never(_) => self.refuse(ty, "`!`", "return `()`, or what the last execution returns"),
            Type::FnPtr(_) => self.refuse(ty, "a function", "use a type that says which one to call"),
            Type::TraitObject(_) => self.refuse(ty, "a trait object", "use an `enum` of the types it can be"),
            _ => syn::visit::visit_type(self, ty),
        }
    }

    fn visit_type_path(&mut self, path: &'ast TypePath) {
        if path.qself.is_none() && path.path.segments.first().is_some_and(|segment| segment.ident == "Self") {
            self.refuse(path, "`Self`", "write a free function and name the type");
        } else if let Some(lost) = lost_in_option(path) {
            let (noun, place) = (self.noun, self.place);
            let message = format!(
                "{noun} cannot {place} `{}`; it is recorded as JSON, where `Some({lost})` and `None` are both `null`; \
                 use an `enum` that names the cases",
                text(&Type::Path(path.clone()))
            );
            self.cx.on_signature(path, message);
        } else if path.path.get_ident().is_none_or(|ident| !self.generics.contains(&ident)) {
            syn::visit::visit_type_path(self, path);
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            self.refuse(lifetime, "a type that borrows", "use one that owns its fields");
        }
    }

    /// An array's length is not a type.
    fn visit_expr(&mut self, _: &'ast syn::Expr) {}
}

/// What an `Option` cannot hold and be read back: `None` of an `Option<Option<T>>`, `()` of an `Option<()>`.
fn lost_in_option(path: &TypePath) -> Option<&'static str> {
    let option = path.path.segments.last().filter(|segment| segment.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &option.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(Type::Tuple(unit)) if unit.elems.is_empty() => Some("()"),
        GenericArgument::Type(Type::Path(inner)) if inner.path.segments.last()?.ident == "Option" => Some("None"),
        _ => None,
    }
}

/// The types that are spelled by their names in `ty`, those around others first.
pub(crate) fn named(ty: &Type) -> Vec<&TypePath> {
    struct Named<'a>(Vec<&'a TypePath>);
    impl<'ast> Visit<'ast> for Named<'ast> {
        fn visit_type_path(&mut self, path: &'ast TypePath) {
            self.0.push(path);
            syn::visit::visit_type_path(self, path);
        }

        /// An array's length is not a type.
        fn visit_expr(&mut self, _: &'ast syn::Expr) {}
    }
    let mut named = Named(Vec::new());
    named.visit_type(ty);
    named.0
}

/// The type that a message would advise in place of `ty`.
pub(crate) fn advised(ty: &Type) -> Option<Type> {
    match ty {
        Type::Reference(reference) => syn::parse_str(&owned(reference)).ok(),
        _ => None,
    }
}

/// The owned form of what `reference` refers to, as text.
fn owned(reference: &TypeReference) -> String {
    match &*reference.elem {
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        Type::Path(path) if path.path.is_ident("Path") => "PathBuf".to_owned(),
        Type::Slice(slice) => format!("Vec<{}>", text(&slice.elem)),
        Type::TraitObject(_) | Type::ImplTrait(_) => "an owned type".to_owned(),
        other => text(other),
    }
}

/// `ty` as a person writes it.
fn text(ty: &Type) -> String {
    if let Type::Reference(reference) = ty {
        return owned(reference);
    }
    // Not its span's text, which is that of the first token only.
    let text = ty.to_token_stream().to_string();
    text.replace(" :: ", "::").replace(" < ", "<").replace(" >", ">").replace(" ,", ",")
}
