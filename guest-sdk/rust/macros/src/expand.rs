//! From the author's function to the function plus what the host and the test harness call.
//!
//! The author's function is kept as it is, also when it is refused: then the compiler's own
//! messages about its body still appear beside ours.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, FnArg, ItemFn, Pat, Result, ReturnType, Signature, Type};

const ALLOWED: &str =
    "`payload`, `params`, `input` (each of a type that implements serde::Deserialize) and `ctx` (of type `&Context`)";

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let error = Error::new(item.span(), "#[action] goes on a function").to_compile_error();
            return quote! { #error #item };
        }
    };
    match expand_function(&arguments, &function) {
        Ok(generated) => quote! { #function #generated },
        Err(error) => {
            let error = error.to_compile_error();
            quote! { #error #function }
        }
    }
}

fn expand_function(arguments: &TokenStream, function: &ItemFn) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "#[action] takes no arguments"));
    }
    check_signature(&function.sig)?;
    let values = function.sig.inputs.iter().map(argument).collect::<Result<Vec<_>>>()?;
    let name = &function.sig.ident;
    let callable = format_ident!("{name}_action");
    let visibility = &function.vis;
    let doc = format!("[`{name}`] as the host sees it: what `fusebox_sdk::testing::run` takes.");
    // The call has the place of the return type, so that an unsuitable one is underlined itself.
    let place = match &function.sig.output {
        ReturnType::Type(_, kind) => kind.span(),
        ReturnType::Default => name.span(),
    };
    let call = quote_spanned! { place => ::fusebox_sdk::__private::Returned(#name(#(#values),*)).settle() };
    Ok(quote! {
        #[doc = #doc]
        #[allow(dead_code, clippy::let_unit_value)]
        #visibility fn #callable(
            context: &::fusebox_sdk::Context,
        ) -> ::fusebox_sdk::__private::Settled {
            #[allow(unused_imports)]
            use ::fusebox_sdk::__private::Settle as _;
            #call
        }

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;
            impl ::fusebox_sdk::bindings::Guest for Component {
                fn run(
                    context: ::fusebox_sdk::bindings::Context,
                ) -> ::core::result::Result<
                    ::fusebox_sdk::bindings::Outcome,
                    ::fusebox_sdk::bindings::Failure,
                > {
                    ::fusebox_sdk::__private::run(context, #callable)
                }
            }
            ::fusebox_sdk::bindings::export!(Component with_types_in ::fusebox_sdk::bindings);
        };
    })
}

fn check_signature(signature: &Signature) -> Result<()> {
    if let Some(asyncness) = &signature.asyncness {
        return Err(Error::new_spanned(asyncness, "an action is a plain function: it cannot be async"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "an action cannot be generic: the host calls it with JSON",
        ));
    }
    if let Some(variadic) = &signature.variadic {
        return Err(Error::new_spanned(variadic, "an action takes a fixed list of parameters"));
    }
    Ok(())
}

/// The expression that is passed for one parameter, recognised by its name.
fn argument(argument: &FnArg) -> Result<TokenStream> {
    let FnArg::Typed(parameter) = argument else {
        return Err(Error::new_spanned(argument, "an action is a free function: it has no `self`"));
    };
    let Pat::Ident(pattern) = parameter.pat.as_ref() else {
        return Err(Error::new_spanned(&parameter.pat, format!("name this parameter; an action may take {ALLOWED}")));
    };
    let kind = &parameter.ty;
    let name = pattern.ident.to_string();
    // An underscore says "not used yet", as everywhere in Rust.
    match name.trim_start_matches('_') {
        "payload" => Ok(quote_spanned! { kind.span() => ::fusebox_sdk::__private::payload::<#kind>(context)? }),
        "params" => Ok(quote_spanned! { kind.span() => ::fusebox_sdk::__private::params::<#kind>(context)? }),
        "input" => Ok(quote_spanned! { kind.span() => ::fusebox_sdk::__private::input::<#kind>(context)? }),
        "ctx" if matches!(**kind, Type::Reference(_)) => Ok(quote_spanned! { kind.span() => context }),
        "ctx" => Ok(quote_spanned! { kind.span() => ::core::clone::Clone::clone(context) }),
        _ => Err(Error::new_spanned(
            &pattern.ident,
            format!("unknown parameter `{name}`; an action may take {ALLOWED}, in any order"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(item: TokenStream) -> String {
        expand(TokenStream::new(), item).to_string()
    }

    #[test]
    fn parameters_are_passed_by_name_in_the_order_of_the_function() {
        let text = expanded(quote! { fn triage(ctx: &Context, input: In, payload: P) -> u8 { 1 } });
        let call = text.split("Returned (triage (").nth(1).expect("the call");
        let (ctx, input, payload) =
            (call.find("context ,"), call.find("input :: < In >"), call.find("payload :: < P >"));
        assert!(ctx < input && input < payload && ctx.is_some(), "{text}");
    }

    #[test]
    fn a_context_by_value_is_a_copy() {
        let text = expanded(quote! { fn f(ctx: Context) {} });
        assert!(text.contains("Clone :: clone (context)"), "{text}");
    }

    #[test]
    fn an_underscore_before_the_name_changes_nothing() {
        let text = expanded(quote! { fn f(_params: P) {} });
        assert!(text.contains("params :: < P > (context)"), "{text}");
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_list_of_allowed_ones() {
        let text = expanded(quote! { fn f(body: P) {} });
        assert!(text.contains("compile_error"), "{text}");
        assert!(text.contains("unknown parameter `body`"), "{text}");
        for name in ["`payload`", "`params`", "`input`", "`ctx`"] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert!(text.contains("fn f (body : P)"), "the function itself stays: {text}");
    }

    #[test]
    fn what_cannot_be_an_action_is_refused_with_the_reason() {
        let cases = [
            (quote! { async fn f() {} }, "cannot be async"),
            (quote! { fn f<T>(payload: T) {} }, "cannot be generic"),
            (quote! { fn f(&self) {} }, "no `self`"),
            (quote! { fn f((a, b): (u8, u8)) {} }, "name this parameter"),
            (quote! { struct S; }, "goes on a function"),
        ];
        for (item, reason) in cases {
            let text = expanded(item);
            assert!(text.contains("compile_error") && text.contains(reason), "{reason} in {text}");
        }
        let text = expand(quote! { name = "x" }, quote! { fn f() {} }).to_string();
        assert!(text.contains("takes no arguments"), "{text}");
    }
}
