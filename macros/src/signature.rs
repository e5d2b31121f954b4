//! What the signature of a durable function may be, and its parameters.

use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::visit::Visit;
use syn::{Attribute, FnArg, GenericParam, Ident, Pat, PatType, PathArguments, ReturnType, Safety, Type};

use crate::context::Context;
use crate::kind::AttributeKind;
use crate::owned::Owned;
use crate::spans::{Ends, ends};

/// A parameter of a durable function.
pub(crate) struct Parameter {
    /// What the public function calls it.
    pub(crate) ident: Ident,
    /// What the recorded input calls it.
    pub(crate) key: String,
    pub(crate) ty: Type,
}

/// The named form of every parameter. A pattern has no name, so its place is its name.
pub(crate) fn parameters(sig: &syn::Signature) -> Vec<Parameter> {
    let typed = || {
        sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        })
    };
    let taken: Vec<&Ident> = typed().filter_map(|typed| name(&typed.pat)).collect();
    let named = typed().enumerate().map(|(index, typed)| {
        let ident = name(&typed.pat).cloned().unwrap_or_else(|| {
            let mut ident = format_ident!("arg{index}");
            while taken.contains(&&ident) {
                ident = format_ident!("{ident}_");
            }
            ident
        });
        let key = ident.unraw().to_string();
        Parameter { ident, key, ty: (*typed.ty).clone() }
    });
    named.collect()
}

fn name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(pattern) => Some(&pattern.ident),
        Pat::Paren(pattern) => name(&pattern.pat),
        _ => None,
    }
}

/// The declared return type, `()` where none is written.
pub(crate) fn output(sig: &syn::Signature) -> Type {
    match &sig.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    }
}

/// Checks the signature. Says whether its return type may stand in an `impl`, whatever else is wrong.
pub(crate) fn check(kind: AttributeKind, inline: bool, sig: &syn::Signature, cx: &mut Context) -> bool {
    let noun = kind.noun();
    if kind == AttributeKind::Orchestrator && sig.asyncness.is_none() {
        let message = "an orchestrator must be `async`; it waits for the calls it makes; write `async fn`";
        cx.on_signature(sig.fn_token, message);
    }
    if let Some(token) = &sig.constness {
        cx.on_signature(token, format!("{noun} cannot be `const`; the runtime runs it; remove `const`"));
    }
    if let Safety::Unsafe(token) = &sig.safety {
        let instead = match kind {
            AttributeKind::Activity => "put the `unsafe` block into its body",
            AttributeKind::Orchestrator => "call the unsafe function in an `#[activity]`",
        };
        cx.on_signature(
            token,
            format!(
                "{noun} cannot be `unsafe`; the runtime calls it after a restart, with nobody to keep its contract; {instead}"
            ),
        );
    }
    if let Some(abi) = &sig.abi {
        cx.on_signature(abi, format!("{noun} cannot be `extern`; only the runtime calls it; remove `{}`", abi.to_token_stream()));
    }
    if let Some(variadic) = &sig.variadic {
        cx.on_signature(variadic, format!("{noun} cannot be variadic; each argument is recorded by its name; take a `Vec<T>`"));
    }
    if let Some(receiver) = sig.receiver() {
        cx.on_signature(receiver, method(kind));
    }
    inline || recorded(noun, sig, cx)
}

/// Why a function cannot belong to a type.
pub(crate) fn method(kind: AttributeKind) -> String {
    let instead = match kind {
        AttributeKind::Activity => "write a free function; shared state comes from `dacapo::state::<T>()`",
        AttributeKind::Orchestrator => "write a free function and take what it needs as arguments",
    };
    format!(
        "{} cannot be a method; it is found by its name after a restart, when there is no value to call it on; {instead}",
        kind.noun()
    )
}

/// Checks a function whose arguments and result are recorded.
pub(crate) fn recorded(noun: &str, sig: &syn::Signature, cx: &mut Context) -> bool {
    for parameter in &sig.generics.params {
        let (what, instead) = match parameter {
            GenericParam::Lifetime(_) => ("borrow", "take and return owned types"),
            _ => ("be generic", "write the type, or one function for each type"),
        };
        cx.on_signature(
            parameter,
            format!(
                "{noun} cannot {what}; it is found by its name after a restart, when only its recorded input is left; {instead}"
            ),
        );
    }
    if let (true, Some(clause)) = (sig.generics.params.is_empty(), &sig.generics.where_clause) {
        cx.on_signature(clause, format!("{noun} has no generics to bound; remove the `where` clause"));
    }
    let inputs: Vec<&PatType> = sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        })
        .collect();
    if let Some(extra) = inputs.get(12) {
        cx.on_signature(extra, format!("{noun} takes at most 12 arguments; put them into one struct"));
    }
    let generics: Vec<&Ident> = sig.generics.type_params().map(|parameter| &parameter.ident).collect();
    for typed in inputs {
        for attr in &typed.attrs {
            conditional(noun, attr, cx);
        }
        Owned { noun, place: "take", generics: &generics, cx }.visit_type(&typed.ty);
    }
    let before = cx.len();
    if let ReturnType::Type(_, ty) = &sig.output {
        Owned { noun, place: "return", generics: &generics, cx }.visit_type(ty);
    }
    cx.len() == before && sig.generics.params.is_empty()
}

fn conditional(noun: &str, attr: &Attribute, cx: &mut Context) {
    if attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr") {
        let message = "cannot be conditional; builds would disagree about the recorded input; put the attribute on the function";
        cx.on_signature(attr, format!("a parameter of {noun} {message}"));
    }
}

/// Where to report what is wrong with the success and with the error of a return type.
pub(crate) fn sides(output: &Type) -> (Ends, Ends) {
    let whole = ends(output);
    let Type::Path(path) = output else { return (whole, whole) };
    let Some(result) = path.path.segments.last().filter(|segment| segment.ident == "Result") else {
        return (whole, whole);
    };
    let PathArguments::AngleBracketed(arguments) = &result.arguments else {
        return (whole, whole);
    };
    let mut arguments = arguments.args.iter().map(ends);
    (arguments.next().unwrap_or(whole), arguments.next().unwrap_or(whole))
}
