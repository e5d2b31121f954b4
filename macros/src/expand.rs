//! The expansion of one annotated function.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, ItemFn, Path, Type};

use crate::Role;
use crate::args::Arguments;
use crate::context::Context;
use crate::signature::{self, Parameter};
use crate::{attributes, fallback, rewrite};

/// Everything that is emitted is made from this.
pub(crate) struct Expansion<'a> {
    pub(crate) role: Role,
    pub(crate) arguments: &'a Arguments,
    pub(crate) krate: &'a Path,
    pub(crate) function: ItemFn,
    pub(crate) parameters: Vec<Parameter>,
    /// The hidden type that stands for the function.
    pub(crate) marker: Ident,
    /// The `#[cfg]`s of the function, which every emitted item keeps.
    pub(crate) conditions: Vec<Attribute>,
    /// The attributes of the public function.
    pub(crate) outer: Vec<Attribute>,
    /// The attributes of the body.
    pub(crate) inner: Vec<Attribute>,
    /// Whether the declared return type may stand in an `impl`.
    pub(crate) output_is_sound: bool,
}

pub(crate) fn expand(role: Role, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut cx = Context::default();
    let arguments = Arguments::parse(role, arguments, &mut cx);
    let mut function = match fallback::function(role, item.clone()) {
        Ok(function) => function,
        Err(error) => {
            cx.push(error);
            let errors = cx.check();
            return quote!(#item #errors);
        }
    };

    let before = cx.len();
    let output_is_sound = signature::check(role, arguments.inline, &function.sig, &mut cx);
    let is_sound = cx.len() == before;
    let shape = shape(&function);
    if role == Role::Orchestrator {
        check_body(&function, &arguments, &mut cx);
        rewrite::rewrite(&arguments.krate, &mut function.block, &mut cx);
    }
    let (outer, inner, conditions) = attributes::split(std::mem::take(&mut function.attrs));
    let expansion = Expansion {
        role,
        krate: &arguments.krate,
        arguments: &arguments,
        parameters: signature::parameters(&function.sig),
        // The attribute's context: lints on names leave it alone.
        marker: format_ident!("__dacapo_{}", function.sig.ident.unraw(), span = Span::call_site().located_at(function.sig.ident.span())),
        conditions,
        outer,
        inner,
        output_is_sound,
        function,
    };
    if !is_sound {
        return fallback::expand(&expansion, cx);
    }
    let item = if arguments.inline { expansion.inline() } else { expansion.registered(shape) };
    let errors = cx.check();
    quote!(#item #errors)
}

/// The rules of `dacapo-lint`.
fn check_body(_function: &ItemFn, _arguments: &Arguments, _cx: &mut Context) {}

impl Expansion<'_> {
    /// `Activity<marker>` or `Orchestration<marker>`.
    pub(crate) fn call_type(&self) -> TokenStream {
        let (krate, marker) = (self.krate, &self.marker);
        match self.role {
            Role::Activity => quote!(#krate::Activity<#marker>),
            Role::Orchestrator => quote!(#krate::Orchestration<#marker>),
        }
    }

    /// The [`Returned`] of the type `output`, chosen by the compiler.
    pub(crate) fn kind(&self, output: &Type) -> TokenStream {
        let krate = self.krate;
        let (first, last) = signature::ends(output);
        // Spans the whole type, so that an error about it underlines it.
        let head = quote_spanned!(first=> #krate::__private::Kind);
        let close = quote_spanned!(last=> >);
        quote! {
            #head<
                { use #krate::__private::NotResult as _; #krate::__private::Probe::<#output>::IS_RESULT },
                { use #krate::__private::NotStdError as _; #krate::__private::ErrorProbe::<#output>::IS_STD_ERROR }
            #close
        }
    }

    /// A function that is recorded: its call, its marker, its registration.
    fn registered(&self, shape: u64) -> TokenStream {
        let Self { krate, marker, conditions, outer, .. } = self;
        let (vis, fn_token, ident) = (&self.function.vis, &self.function.sig.fn_token, &self.function.sig.ident);
        let (idents, types): (Vec<_>, Vec<_>) = self.parameters.iter().map(|parameter| (&parameter.ident, &parameter.ty)).unzip();
        let call_type = self.call_type();
        let constructor = match self.role {
            Role::Activity => quote!(#krate::Activity::new),
            Role::Orchestrator => quote!(#krate::Orchestration::new),
        };
        let register = match self.role {
            Role::Activity => quote!(activity),
            Role::Orchestrator => quote!(orchestrator),
        };
        let implementation = self.implementation(shape);
        quote! {
            #(#outer)*
            #[track_caller]
            #vis #fn_token #ident(#(#idents: #types),*) -> #call_type { #constructor((#(#idents,)*)) }

            #(#conditions)*
            #[doc(hidden)]
            #[allow(non_camel_case_types)]
            #vis struct #marker;

            #(#conditions)*
            #implementation

            #(#conditions)*
            #krate::__private::inventory::submit! { #krate::__private::Registration::#register::<#marker>() }
        }
    }

    fn implementation(&self, shape: u64) -> TokenStream {
        let Self { krate, marker, .. } = self;
        let at = self.function.sig.ident.span();
        let name = match &self.arguments.name {
            Some(name) => name.to_token_stream(),
            None => self.function.sig.ident.unraw().to_string().into_token_stream(),
        };
        let site = quote_spanned!(at=> ::core::file!(), line: ::core::line!());
        let shape = (self.role == Role::Orchestrator).then(|| quote!(const SHAPE: ::core::primitive::u64 = #shape;));
        let types = self.parameters.iter().map(|parameter| &parameter.ty);
        let output = signature::output(&self.function.sig);
        let kind = self.kind(&output);
        let codec = self.codec();
        let body = self.body();
        let arguments = self.input_fields();
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

    /// Each argument is named once, at its type: what cannot be stored is one error there.
    fn codec(&self) -> TokenStream {
        let krate = self.krate;
        let count = self.parameters.len();
        let keys: Vec<_> = self.parameters.iter().map(|parameter| &parameter.key).collect();
        let types: Vec<_> = self.parameters.iter().map(|parameter| &parameter.ty).collect();
        let fields = self.input_fields();
        quote! {
            fn codec() -> #krate::__private::Codec<Self::Input> {
                #krate::__private::Codec {
                    encode: |input| #krate::__private::Encoder::new(#count)#(.field::<#types>(#keys, &#fields))*.finish(),
                    decode: |payload| {
                        let mut fields = #krate::__private::Decoder::new(payload, #count)?;
                        ::core::result::Result::Ok((#(fields.field::<#types>(#keys)?,)*))
                    },
                }
            }
        }
    }

    fn input_fields(&self) -> Vec<TokenStream> {
        let index = (0..self.parameters.len()).map(syn::Index::from);
        index.map(|index| quote!(input.#index)).collect()
    }

    /// The user's own tokens, under a name that hides no function of theirs.
    fn body(&self) -> TokenStream {
        let (sig, block, inner) = (&self.function.sig, &self.function.block, &self.inner);
        let (asyncness, fn_token, output) = (&sig.asyncness, &sig.fn_token, &sig.output);
        let (generics, bounds) = (&sig.generics.params, &sig.generics.where_clause);
        let generics = (!generics.is_empty()).then(|| quote!(<#generics>));
        let written = sig.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_)));
        quote! {
            #(#inner)*
            #asyncness #fn_token __body #generics(#(#written),*) #output #bounds #block
        }
    }

    fn options(&self) -> TokenStream {
        let krate = self.krate;
        if self.arguments.options.is_empty() {
            return TokenStream::new();
        }
        let settings = self.arguments.options.iter().map(|setting| {
            let (key, value) = (&setting.key, &setting.value);
            let at = key.span();
            let ty = match key.to_string().as_str() {
                "retry" => quote_spanned!(at=> #krate::Retry),
                "timeout" => quote_spanned!(at=> ::core::time::Duration),
                _ => quote_spanned!(at=> ::core::primitive::usize),
            };
            quote!(.#key({ let value: #ty = #value; value }))
        });
        quote! {
            fn options() -> #krate::__private::Options { #krate::__private::Options::new()#(#settings)* }
        }
    }

    /// A function that runs inside its caller's history.
    fn inline(&self) -> TokenStream {
        let Self { krate, outer, .. } = self;
        let sig = &self.function.sig;
        let (vis, fn_token, ident) = (&self.function.vis, &sig.fn_token, &sig.ident);
        let (generics, bounds) = (&sig.generics, &sig.generics.where_clause);
        let (idents, types): (Vec<_>, Vec<_>) = self.parameters.iter().map(|parameter| (&parameter.ident, &parameter.ty)).unzip();
        let output = signature::output(sig);
        let body = self.body();
        quote! {
            #(#outer)*
            #vis #fn_token #ident #generics(#(#idents: #types),*) -> impl #krate::Durable<Output = #output> + ::core::marker::Send
            #bounds
            {
                #body
                #krate::Block::new(__body(#(#idents),*))
            }
        }
    }
}

/// FNV-1a, 64 bit, of the tokens of the signature and the body: the same however they are laid out.
fn shape(function: &ItemFn) -> u64 {
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
    each(function.sig.to_token_stream(), &mut hash);
    each(function.block.to_token_stream(), &mut hash);
    shape
}
