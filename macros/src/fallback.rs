//! What is emitted when the item cannot be expanded as it should be: enough for the rest of the program to be checked.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Item, ItemFn};

use crate::context::Context;
use crate::expansion::Expansion;
use crate::kind::AttributeKind;
use crate::owned::advised;
use crate::recorded;
use crate::signature::output;

/// The function, or the reason why there is none.
pub(crate) fn function(kind: AttributeKind, item: TokenStream) -> syn::Result<ItemFn> {
    let token = match syn::parse2::<Item>(item)? {
        Item::Fn(function) => return Ok(function),
        Item::Struct(item) => item.struct_token.to_token_stream(),
        Item::Enum(item) => item.enum_token.to_token_stream(),
        Item::Impl(item) => item.impl_token.to_token_stream(),
        Item::Trait(item) => item.trait_token.to_token_stream(),
        Item::Mod(item) => item.mod_token.to_token_stream(),
        other => other.to_token_stream(),
    };
    let instead = if kind == AttributeKind::Activity { "a `fn` or an `async fn`" } else { "an `async fn`" };
    let message = format!("`#[{}]` has no body to run here; it belongs on {instead} with a body", kind.attribute());
    Err(syn::Error::new_spanned(token, message))
}

/// The same public function with a body that is never reached.
///
/// A type that cannot be recorded must not reach an `impl`, where it would be reported again in other words.
pub(crate) fn expand(expansion: &Expansion<'_>, cx: Context) -> TokenStream {
    let Expansion { function, krate, marker, .. } = expansion;
    let errors = cx.check(&expansion.conditions);
    let (outer, conditions) = (&expansion.outer, &expansion.conditions);
    let (vis, sig) = (&function.vis, &function.sig);
    if expansion.is_associated || sig.receiver().is_some() || expansion.arguments.inline {
        return quote!(#errors #(#outer)* #[allow(unused_variables)] #vis #sig { ::core::unreachable!() });
    }
    let mut signature = sig.clone();
    signature.asyncness = None;
    signature.constness = None;
    signature.safety = syn::Safety::Default;
    signature.abi = None;
    signature.variadic = None;
    for (input, parameter) in signature.inputs.iter_mut().zip(&expansion.parameters) {
        if let syn::FnArg::Typed(typed) = input {
            let ident = &parameter.ident;
            typed.attrs.clear();
            *typed.pat = syn::parse_quote!(#ident);
        }
    }
    let call = expansion.call_type();
    signature.output = syn::parse_quote!(-> #call);
    let ty = output(sig);
    let ty = match expansion.output_is_sound {
        true => ty,
        false => advised(&ty).unwrap_or_else(|| syn::parse_quote!(())),
    };
    let kind = recorded::kind(krate, &ty);
    let marker_type = recorded::marker(vis, marker, conditions);
    quote! {
        #errors
        #(#outer)*
        #[allow(unused_variables)]
        #vis #signature { ::core::unreachable!() }

        #marker_type

        #(#conditions)*
        impl #krate::__private::Function for #marker {
            const NAME: &'static ::core::primitive::str = "";
            const SITE: #krate::__private::Site = #krate::__private::Site { file: "", line: 0 };
            type Input = ();
            type Output = #ty;
            type Kind = #kind;
            fn codec() -> #krate::__private::Codec<()> { ::core::unreachable!() }
            async fn call((): ()) -> #ty { ::core::unreachable!() }
        }
    }
}
