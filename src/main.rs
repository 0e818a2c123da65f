use std::io;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(fusebox::sandbox::SUBCOMMAND) {
        let order = arguments.next().unwrap_or_default();
        return fusebox::sandbox::compile_child(&order, io::stdin().lock(), io::stdout().lock());
    }
    Ok(())
}
