// Files on an FTP server.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/ftp/read_ahead.h"
#include "backend/remote/files.h"
#include "base/mutex.h"
#include "http/ftp_client.h"

namespace backstay::backend::ftp {

struct FtpFilesOptions {
  std::string root;   // decoded: "/srv/x", or "/~/x" below the folder of the login
  std::string place;  // for messages
  http::FtpOptions client = {};
};

// Folders are listed by MLSD, or where the server does not know it by NLST and a question for each
// name; never by LIST, which is for people. What went wrong the protocol says by a number of three
// digits that often has many meanings: where it matters, the server is asked again what is there.
class FtpFiles final : public remote::Files {
 public:
  // Logs in.
  static Result<std::unique_ptr<FtpFiles>> connect(FtpFilesOptions options);

  Result<remote::Entry> look(const std::string& path) override;
  Result<std::vector<remote::Entry>> read_folder(const std::string& path) override;
  Result<void> make_folder(const std::string& path) override;
  Result<void> make_root() override;
  // An upload that was cut goes on from where the server has it.
  Result<void> write(const std::string& path, const StreamedBytes& bytes) override;
  Result<remote::Renamed> rename(const std::string& from, const std::string& to) override;
  Result<void> remove_file(const std::string& path) override;
  Result<Bytes> read(const std::string& path, std::uint64_t size_max) override;
  Result<void> read_range(const std::string& path, std::uint64_t offset,
                          MutableByteView out) override;
  [[nodiscard]] bool rename_replaces() const override { return true; }
  [[nodiscard]] std::optional<Timestamp> said_time() const override { return std::nullopt; }
  [[nodiscard]] const std::string& place() const override { return options_.place; }

 private:
  explicit FtpFiles(FtpFilesOptions options)
      : options_(std::move(options)), client_(options_.client) {}
  Result<void> begin();
  // As the server has it.
  [[nodiscard]] std::string full_path(const std::string& path) const;
  Result<std::vector<http::FtpReply>> ask(const std::vector<std::string>& commands);
  Result<remote::Entry> look_at(const std::string& full);
  Result<remote::Entry> look_by_questions(const std::string& full);
  Result<std::vector<remote::Entry>> read_by_names(const std::string& full);
  Result<std::vector<std::string>> names_in(const std::string& full);
  Result<void> check_gone(const std::string& full, const std::vector<std::string>& gone);
  Error not_entered(int code, const std::string& full);
  Result<void> make_folder_at(const std::string& full);
  Result<std::uint64_t> size_of(const std::string& full);
  Result<void> check_written(int code, const std::string& path, const StreamedBytes& bytes);
  Result<Bytes> fetch(const std::string& path, std::uint64_t offset, std::uint64_t size);
  // What a refusal means, while `doing` something: of a missing file, a right, the disk.
  [[nodiscard]] Error refusal(int code, std::string_view doing) const;
  // Of what was to be read.
  Error not_read(int code, const std::string& path);

  FtpFilesOptions options_;
  http::FtpClient client_;
  std::string root_;            // absolute, without a slash at its end
  bool machine_lists_ = false;  // MLSD and MLST
  ReadAhead ahead_;
};

}  // namespace backstay::backend::ftp
