//! The runtime's view of one annotated function: the `impl` of `Function` on its marker.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;

use crate::args::Setting;
use crate::expansion::Expansion;
use crate::kind::AttributeKind;
use crate::spans::{ends, respan};
use crate::{recorded, signature};

impl Expansion<'_> {
    /// The `impl` of the marker.
    pub(crate) fn implementation(&self, shape: u64) -> TokenStream {
        let Self { krate, marker, .. } = self;
        let at = self.function.sig.ident.span();
        let name = match &self.arguments.name {
            Some(name) => name.to_token_stream(),
            None => self.function.sig.ident.unraw().to_string().into_token_stream(),
        };
        let site = quote_spanned!(at=> ::core::file!(), line: ::core::line!());
        let shape = (self.kind == AttributeKind::Orchestrator).then(|| quote!(const SHAPE: ::core::primitive::u64 = #shape;));
        let version = self
            .arguments
            .version
            .as_ref()
            .map(|version| quote_spanned!(ends(version).0=> const VERSION: ::core::primitive::u32 = #version;));
        let types = self.parameters.iter().map(|parameter| &parameter.ty);
        let output = signature::output(&self.function.sig);
        let kind = recorded::kind(krate, &output);
        let codec = recorded::codec(krate, &self.parameters, &output);
        let body = self.body();
        let arguments = recorded::input_fields(self.parameters.len());
        let run = match self.function.sig.asyncness {
            Some(_) => quote!(__body(#(#arguments),*)),
            None => quote!(#krate::__private::blocking(move || __body(#(#arguments),*))),
        };
        // At the function's name, where a future that is not `Send` is then reported.
        let future = quote_spanned!(at=> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send);
        let options = self.options();
        quote! {
            impl #krate::__private::Function for #marker {
                const NAME: &'static ::core::primitive::str = #name;
                const SITE: #krate::__private::Site = #krate::__private::Site { file: #site };
                #shape
                #version
                type Input = (#(#types,)*);
                type Output = #output;
                type Kind = #kind;
                #codec
                fn call(input: Self::Input) -> #future {
                    #body
                    #run
                }
                #options
            }
        }
    }

    fn options(&self) -> TokenStream {
        let krate = self.krate;
        let is_limit =
            |setting: &&Setting| matches!(setting.key.to_string().as_str(), "max_concurrent" | "rate_limit" | "limit_key");
        let (limits, options): (Vec<_>, Vec<_>) = self.arguments.options.iter().partition(is_limit);
        let limits =
            self.settings(&quote!(fn throttle() -> #krate::__private::Throttle), &quote!(#krate::__private::Throttle), &limits);
        let options =
            self.settings(&quote!(fn options() -> #krate::__private::Options), &quote!(#krate::__private::Options), &options);
        quote!(#options #limits)
    }

    /// A function that gives the values of some of the attribute's arguments, when there are any.
    fn settings(&self, function: &TokenStream, ty: &TokenStream, settings: &[&Setting]) -> TokenStream {
        let krate = self.krate;
        if settings.is_empty() {
            return TokenStream::new();
        }
        let settings = settings.iter().map(|setting| {
            let (key, value) = (&setting.key, &setting.value);
            let at = key.span();
            if key == "retry_if" {
                // The error is known from the return type, so that a closure needs no annotation.
                return quote_spanned!(at=> .retry_if::<Self, _, _>(#value));
            }
            if key == "limit_key" {
                let idents = self.parameters.iter().map(|parameter| &parameter.ident);
                // At the value, where one that has no text is then reported.
                let first = ends(value).0;
                let (key, text) = (Ident::new("__key", first), quote_spanned!(first=> #krate::__private::LimitKey::limit_key));
                return quote! {
                    .limit_key(|payload| {
                        #[allow(unused_variables)]
                        let (#(#idents,)*) = <Self as #krate::__private::Function>::decode(payload)?;
                        let #key = &(#value);
                        ::core::result::Result::Ok(#text(#key))
                    })
                };
            }
            let ty = match key.to_string().as_str() {
                "retry" => respan(quote!(#krate::Retry), at),
                "timeout" | "heartbeat_timeout" => quote_spanned!(at=> ::core::time::Duration),
                "rate_limit" => respan(quote!(#krate::RateLimit), at),
                _ => quote_spanned!(at=> ::core::primitive::usize),
            };
            quote!(.#key({ let value: #ty = #value; value }))
        });
        quote! {
            #function { #ty::new()#(#settings)* }
        }
    }
}

/// FNV-1a, 64 bit, of the tokens of the signature and the body: the same however they are laid out.
pub(crate) fn shape(item: TokenStream) -> u64 {
    let begins = |token: &TokenTree| matches!(token, TokenTree::Ident(ident) if ["const", "async", "unsafe", "extern", "fn"].iter().any(|word| ident == word));
    let signature = item.into_iter().skip_while(|token| !begins(token)).collect();

    fn each(tokens: TokenStream, hash: &mut impl FnMut(&str)) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    hash(&format!("{:?}", group.delimiter()));
                    each(group.stream(), hash);
                    hash("end");
                }
                other => hash(&other.to_string()),
            }
        }
    }
    let mut shape = 0xcbf2_9ce4_8422_2325_u64;
    let mut hash = |text: &str| {
        for byte in text.bytes().chain([0]) {
            shape = (shape ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    each(signature, &mut hash);
    shape
}

#[cfg(test)]
mod tests {
    use super::shape;

    fn of(source: &str) -> u64 {
        shape(source.parse().expect("tokens"))
    }

    #[test]
    fn layout_does_not_change_the_shape_and_code_does() {
        let one = of("async fn f(a: u32) -> u32 { step(a).await + 1 }");
        assert_eq!(one, of("/// Docs.\npub async fn f ( a : u32 )\n    -> u32 {\n step(a) // why\n .await+1\n}"));
        for other in [
            "async fn f(a: u32) -> u32 { step(a).await + 2 }",
            "async fn f(a: u64) -> u32 { step(a).await + 1 }",
            "async fn g(a: u32) -> u32 { step(a).await + 1 }",
            "async fn f(a: u32) -> u32 { step((a).await) + 1 }",
        ] {
            assert_ne!(one, of(other), "{other}");
        }
    }
}
