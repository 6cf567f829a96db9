//! A function's code: a folder used in place, or a zip archive unpacked where nobody else looks.
//!
//! It decides what an archive may hold. Which functions take one is decided in `functions.rs`.
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tempfile::TempDir;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::function::InvalidFunction;
use crate::errors::{ApiError, ErrorCode};
use crate::pki;

//= https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
//# a deployment package is at most 250 MB unpacked, all files together
/// The most that an archive may unpack to, in bytes.
const UNPACKED_BYTES: u64 = 262_144_000;

//= https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.snapshot.json
//# a request to create a function is at most 70,167,211 bytes
/// The longest base64 text of an archive.
const REQUEST_BYTES: usize = 70_167_211;

//? assumed: AWS names no limit; this one keeps an archive of empty files from filling a disk
/// The most files and folders in one archive.
const ENTRIES: usize = 100_000;

/// Where a function's code lies. Clones share it; an unpacked archive goes with the last one.
#[derive(Clone, Debug)]
pub(super) struct Code {
    root: PathBuf,
    _unpacked: Option<Arc<TempDir>>,
    size: u64,
    sha256: Option<String>,
}

impl Code {
    /// The code in `folder`, which stays where it is and may be edited.
    pub(super) fn folder(folder: &Path) -> Result<Self, InvalidFunction> {
        let refuse = |why: String| InvalidFunction::Code { folder: folder.to_owned(), why };
        let root = fs::canonicalize(folder).map_err(|error| refuse(error.to_string()))?;
        if !root.is_dir() {
            return Err(refuse("it is not a folder".to_owned()));
        }
        Ok(Self { root, _unpacked: None, size: 0, sha256: None })
    }

    /// The code in `zip_file`, a zip archive in base64 as the AWS API takes it.
    pub(super) fn zip_file(zip_file: &str, operation: &str) -> Result<Self, ApiError> {
        if zip_file.len() > REQUEST_BYTES {
            let text = format!(
                "Request must be smaller than {REQUEST_BYTES} bytes for the {operation} operation"
            );
            return Err(ApiError::new(ErrorCode::RequestEntityTooLargeException, text));
        }
        let archive = BASE64_STANDARD.decode(zip_file).map_err(|_| could_not_unzip(""))?;
        Self::archive(&archive, UNPACKED_BYTES)
    }

    fn archive(archive: &[u8], most: u64) -> Result<Self, ApiError> {
        if archive.is_empty() {
            return Err(invalid("Uploaded file must be a non-empty zip"));
        }
        let folder = tempfile::Builder::new().prefix("iot-emulator-function-").tempdir();
        let folder = folder.map_err(|error| cannot_write(&error))?;
        unpack(archive, folder.path(), most)?;
        Ok(Self {
            root: folder.path().to_owned(),
            _unpacked: Some(Arc::new(folder)),
            size: archive.len() as u64,
            sha256: Some(BASE64_STANDARD.encode(pki::sha256(archive))),
        })
    }

    /// The folder that the handler runs in.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The archive's size in bytes; zero for a folder, which nobody packed.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The archive's SHA-256 in base64; a folder has none.
    pub(super) fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }
}

fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValueException, text)
}

fn could_not_unzip(why: &str) -> ApiError {
    let text = "Could not unzip uploaded file. Please check your file, then try to upload again.";
    invalid(if why.is_empty() { text.to_owned() } else { format!("{text} ({why})") })
}

fn cannot_write(error: &io::Error) -> ApiError {
    let text = format!("cannot unpack the function's code: {error}");
    ApiError::new(ErrorCode::ServiceException, text)
}

/// A symbolic link of the archive, made when all files are.
struct Link {
    at: PathBuf,
    target: PathBuf,
}

/// Unpacks `archive` below `root`, `most` bytes of it, and never writes anything outside.
fn unpack(archive: &[u8], root: &Path, most: u64) -> Result<(), ApiError> {
    let mut archive = ZipArchive::new(Cursor::new(archive))
        .map_err(|error| could_not_unzip(&error.to_string()))?;
    if archive.is_empty() {
        return Err(invalid("Uploaded file must be a non-empty zip"));
    }
    if archive.len() > ENTRIES {
        return Err(could_not_unzip(&format!("more than {ENTRIES} entries")));
    }
    let mut left = most;
    let mut links = Vec::new();
    for index in 0..archive.len() {
        let mut entry =
            archive.by_index(index).map_err(|error| could_not_unzip(&error.to_string()))?;
        let name = entry.name().map_err(|error| could_not_unzip(&error.to_string()))?;
        let relative = inside(Path::new(""), &name)
            .ok_or_else(|| could_not_unzip(&format!("`{name}` leaves the archive")))?;
        let path = root.join(&relative);
        if entry.is_dir() {
            fs::create_dir_all(&path).map_err(|error| cannot_write(&error))?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| cannot_write(&error))?;
        }
        if entry.is_symlink() {
            links.push(link(&mut entry, &relative)?);
        } else {
            left = write_file(&mut entry, &path, left)?;
        }
    }
    // INVARIANT: links come last, so that no file is ever written through one of them.
    links.iter().try_for_each(|link| make_link(link, root))
}

/// Writes one file and says how many bytes may still follow. Its declared size is not believed.
fn write_file(
    entry: &mut ZipFile<'_, Cursor<&[u8]>>,
    path: &Path,
    left: u64,
) -> Result<u64, ApiError> {
    let mode = entry.unix_mode();
    let mut file = File::create(path).map_err(|error| cannot_write(&error))?;
    let written = io::copy(&mut entry.take(left + 1), &mut file)
        .map_err(|error| could_not_unzip(&error.to_string()))?;
    let left = left.checked_sub(written).ok_or_else(|| {
        invalid(format!("Unzipped size must be smaller than {UNPACKED_BYTES} bytes"))
    })?;
    set_mode(path, mode).map_err(|error| cannot_write(&error))?;
    Ok(left)
}

/// Keeps the executable bit, and no other.
#[cfg(unix)]
fn set_mode(path: &Path, mode: Option<u32>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let executable = mode.is_some_and(|mode| mode & 0o111 != 0);
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: Option<u32>) -> io::Result<()> {
    Ok(())
}

/// Reads a symbolic link, which must stay inside the archive.
fn link(entry: &mut ZipFile<'_, Cursor<&[u8]>>, relative: &Path) -> Result<Link, ApiError> {
    let mut target = String::new();
    entry
        .take(4096)
        .read_to_string(&mut target)
        .map_err(|error| could_not_unzip(&error.to_string()))?;
    let parent = relative.parent().unwrap_or(Path::new(""));
    if inside(parent, &target).is_none() {
        let why = format!("the link `{}` leaves the archive", relative.display());
        return Err(could_not_unzip(&why));
    }
    Ok(Link { at: relative.to_owned(), target: PathBuf::from(target) })
}

#[cfg(unix)]
fn make_link(link: &Link, root: &Path) -> Result<(), ApiError> {
    // An existing path is not replaced, so a folder cannot become a link that leads elsewhere.
    std::os::unix::fs::symlink(&link.target, root.join(&link.at))
        .map_err(|error| could_not_unzip(&format!("the link `{}`: {error}", link.at.display())))
}

#[cfg(not(unix))]
fn make_link(link: &Link, _root: &Path) -> Result<(), ApiError> {
    Err(could_not_unzip(&format!("no symbolic links here: `{}`", link.at.display())))
}

/// `name` below `base`, both relative; `None` if it leads above the archive or starts elsewhere.
fn inside(base: &Path, name: &str) -> Option<PathBuf> {
    // A backslash separates on Windows, where some archives are made.
    let name = name.replace('\\', "/");
    if name.is_empty() || name.contains('\0') || name.contains(':') {
        return None;
    }
    let mut path = base.to_owned();
    for component in Path::new(&name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// A zip archive of `(name, mode, content)`.
    pub(in crate::lambda) fn zipped(files: &[(&str, u32, &str)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, content) in files {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            writer.start_file(*name, options).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn with_link(name: &str, target: &str) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("app.py", SimpleFileOptions::default()).unwrap();
        writer.add_symlink(name, target, SimpleFileOptions::default()).unwrap();
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn an_archive_is_unpacked_and_goes_with_the_function() {
        let archive = zipped(&[("app.py", 0o644, "code"), ("lib/bootstrap", 0o755, "#!/bin/sh")]);
        let code = Code::archive(&archive, UNPACKED_BYTES).unwrap();
        assert_eq!(code.size(), archive.len() as u64);
        let root = code.root().to_owned();
        assert_eq!(fs::read_to_string(root.join("app.py")).unwrap(), "code");
        #[cfg(unix)]
        for (name, expected) in [("app.py", 0o644), ("lib/bootstrap", 0o755)] {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(root.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, expected, "{name}");
        }
        drop(code);
        assert!(!root.exists());
    }

    #[test]
    fn an_archive_writes_nothing_outside_its_folder() {
        for name in ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:\\evil", "c:evil"] {
            let error = Code::archive(&zipped(&[(name, 0o644, "x")]), UNPACKED_BYTES).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidParameterValueException);
            assert!(error.message().contains("leaves the archive"), "{name}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_inside_the_archive() {
        let table = [
            ("alias.py", "app.py", true),
            ("lib/alias.py", "../app.py", true),
            ("evil", "/etc/passwd", false),
            ("evil", "../evil", false),
            ("lib/evil", "../../evil", false),
            ("app.py/evil", "x", false),
        ];
        for (name, target, allowed) in table {
            let code = Code::archive(&with_link(name, target), UNPACKED_BYTES);
            assert_eq!(code.is_ok(), allowed, "{name} -> {target}: {code:?}");
        }
    }

    #[test]
    fn what_is_no_archive_is_refused_as_aws_refuses_it() {
        let empty = ZipWriter::new(Cursor::new(Vec::new())).finish().unwrap().into_inner();
        let table: [(&[u8], &str); 3] = [
            (b"", "Uploaded file must be a non-empty zip"),
            (&empty, "Uploaded file must be a non-empty zip"),
            (b"not a zip", "Could not unzip uploaded file. Please check your file"),
        ];
        for (archive, expected) in table {
            let error = Code::archive(archive, UNPACKED_BYTES).unwrap_err();
            assert!(error.message().starts_with(expected), "{error}");
        }
        assert!(Code::zip_file("not base64!", "CreateFunction").is_err());
    }

    #[test]
    fn a_small_archive_cannot_fill_the_disk() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["zeros", "more-zeros"] {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(&vec![0; 1 << 20]).unwrap();
        }
        let archive = writer.finish().unwrap().into_inner();
        assert!(Code::archive(&archive, 2 << 20).is_ok());
        let error = Code::archive(&archive, (2 << 20) - 1).unwrap_err();
        assert_eq!(error.message(), "Unzipped size must be smaller than 262144000 bytes");
    }

    proptest! {
        #[test]
        fn no_name_leads_outside(name in "[a./\\\\:]{0,12}") {
            if let Some(path) = inside(Path::new(""), &name) {
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }

        #[test]
        fn no_bytes_make_unpacking_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0_usize..200,
            flip in 0_usize..200,
        ) {
            let _refused = Code::archive(&bytes, UNPACKED_BYTES);
            let mut archive = zipped(&[("app.py", 0o644, "code")]);
            if let Some(byte) = archive.get_mut(flip) {
                *byte ^= 0xff;
            }
            archive.truncate(archive.len().saturating_sub(cut));
            let _either = Code::archive(&archive, UNPACKED_BYTES);
        }
    }
}
