//! The program: everything is in [`walletfs::cli`].

fn main() -> std::process::ExitCode {
    walletfs::cli::main()
}
