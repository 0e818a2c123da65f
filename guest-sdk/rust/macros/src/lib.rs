//! The `#[action]` attribute of `fusebox-sdk`; documented there.

mod expand;

use proc_macro::TokenStream;

/// Makes a function the action of this component. See `fusebox_sdk::action`.
#[proc_macro_attribute]
pub fn action(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(arguments.into(), item.into()).into()
}
