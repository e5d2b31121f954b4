//! The expansion of one annotated function.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{format_ident, quote};
use syn::ReturnType;
use syn::ext::IdentExt;

use crate::args::Arguments;
use crate::context::Context;
use crate::expansion::Expansion;
use crate::function::shape;
use crate::kind::AttributeKind;
use crate::spans::{ends, respan};
use crate::{attributes, fallback, recorded, rewrite, rules, signature};

pub(crate) fn expand(kind: AttributeKind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut cx = Context::default();
    let arguments = Arguments::parse(kind, arguments, &mut cx);
    let mut function = match fallback::function(kind, item.clone()) {
        Ok(function) => function,
        Err(error) => {
            cx.push(error);
            let errors = cx.check(&[]);
            return quote!(#item #errors);
        }
    };

    let before = cx.len();
    let source = rules::source();
    let output_is_sound = signature::check(kind, arguments.inline, &function.sig, &mut cx);
    let is_associated = rules::is_associated(&function, source.as_deref());
    if is_associated && function.sig.receiver().is_none() {
        cx.on_signature(&function.sig.ident, signature::method(kind));
    }
    let is_sound = cx.len() == before;
    let shape = if kind == AttributeKind::Orchestrator { shape(item) } else { 0 };
    if kind == AttributeKind::Orchestrator {
        let refused = rules::check(&function, &arguments, source.as_deref(), &mut cx);
        rewrite::rewrite(&arguments.krate, &mut function, source.as_deref(), &refused, &mut cx);
    }
    let (outer, inner, conditions) = attributes::split(std::mem::take(&mut function.attrs));
    let expansion = Expansion {
        kind,
        krate: &arguments.krate,
        arguments: &arguments,
        parameters: signature::parameters(&function.sig),
        // The attribute's context: lints on names leave it alone.
        marker: format_ident!(
            "__dacapo_{}",
            function.sig.ident.unraw(),
            span = Span::call_site().located_at(function.sig.ident.span())
        ),
        conditions,
        outer,
        inner,
        output_is_sound,
        is_associated,
        function,
    };
    if !is_sound {
        return fallback::expand(&expansion, cx);
    }
    let item = if arguments.inline { expansion.inline() } else { expansion.registered(shape) };
    let errors = cx.check(&expansion.conditions);
    quote!(#item #errors)
}

impl Expansion<'_> {
    /// A function that is recorded: its call, its marker, its registration.
    fn registered(&self, shape: u64) -> TokenStream {
        let Self { krate, marker, conditions, outer, .. } = self;
        let (vis, fn_token, ident) = (&self.function.vis, &self.function.sig.fn_token, &self.function.sig.ident);
        let (idents, types): (Vec<_>, Vec<_>) = self.parameters.iter().map(|parameter| (&parameter.ident, &parameter.ty)).unzip();
        // The function ends where the written one does, so that the compiler's view of it is the user's.
        let end = match &self.function.sig.output {
            ReturnType::Default => self.function.sig.paren_token.span.close(),
            ReturnType::Type(_, ty) => ends(ty).1,
        };
        let call_type = self.call_type();
        let output = respan(quote!(-> #call_type), end);
        let constructor = match self.kind {
            AttributeKind::Activity => quote!(#krate::Activity::new),
            AttributeKind::Orchestrator => quote!(#krate::Orchestration::new),
        };
        let register = match self.kind {
            AttributeKind::Activity => quote!(activity),
            AttributeKind::Orchestrator => quote!(orchestrator),
        };
        let mut body = Group::new(Delimiter::Brace, quote!(#constructor((#(#idents,)*))));
        body.set_span(self.function.block.brace_token.span.join());
        // It may be started by its name alone.
        let may_be_uncalled = (self.kind == AttributeKind::Orchestrator).then(|| quote!(#[allow(dead_code)]));
        let marker_type = recorded::marker(vis, marker, conditions);
        let implementation = self.implementation(shape);
        quote! {
            #may_be_uncalled
            #(#outer)*
            #[track_caller]
            #vis #fn_token #ident(#(#idents: #types),*) #output #body

            #marker_type

            #(#conditions)*
            #implementation

            #(#conditions)*
            #krate::__private::inventory::submit! { #krate::__private::Registration::#register::<#marker>() }
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
