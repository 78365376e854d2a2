# Homebrew on Linux (FUSE as walletfs uses it is Linux's). From a release, with its archive beside
# this file: `brew install --build-from-source ./walletfs.rb`. `scripts/release` fills in the sum.
class Walletfs < Formula
  desc "Your secrets as files: sealed on the device, kept in DynamoDB or SQLite"
  version "0.1.0"
  url "file://#{__dir__}/walletfs-#{version}.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on "pandoc" => :build
  depends_on "rust" => :build
  depends_on "ca-certificates"
  depends_on "libfuse"
  depends_on :linux

  def install
    system "cargo", "install", *std_cargo_args
    generate_completions_from_executable(bin/"walletfs", "completions")
    Dir["man/*.md"].each do |source|
      page = File.basename(source, ".md")
      section = page[-1]
      (man/"man#{section}").mkpath
      system "pandoc", "--standalone", "--from", "gfm+definition_lists", "--to", "man",
             "--lua-filter", "scripts/man.lua", "--output", man/"man#{section}/#{page}", source
    end
  end

  test do
    assert_match "walletfs #{version}", shell_output("#{bin}/walletfs --version")
    ENV["WALLETFS_DEVICE_PASSWORD_COMMAND"] = "echo 'Device 1!'"
    ENV["WALLETFS_MEMORABLE_PASSWORD_COMMAND"] = "echo 'Memorable 1!'"
    system bin/"walletfs", "--config-dir", testpath/"c", "init", "--store", "local"
    assert_path_exists testpath/"c/data/default.sqlite"
  end
end
