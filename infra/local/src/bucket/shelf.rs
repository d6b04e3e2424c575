//! Where objects lie: a file each, and beside them what the store (s3s-fs) knows of them.
//!
//! An object is the file `<bucket>/<key>`. Its attributes and its `ETag` are in two files of the store's own, named after
//! bucket and key. What is written goes aside first, into a bucket that nobody sees, and is moved to its place when it is
//! whole. So a reader sees the old object or the new one, and a put that breaks off, or whose checksum does not fit,
//! leaves nothing.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use infra_edge::clock::Clock;
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    crypto::{Checksum as _, Md5},
};
use serde::Deserialize;
use tokio::sync::watch;
use uuid::Uuid;

use super::events::{Creation, ObjectCreated};

/// The bucket that nobody sees.
pub(super) const ASIDE: &str = ".aside";

/// What the store keeps beside an object: its attributes, and its `ETag`.
const SIDECARS: [&str; 2] = ["metadata", "internal"];

/// Most bytes of a file's name.
const LONGEST_NAME: usize = 255;

/// What an upload's id adds to the name of a sidecar.
const UPLOAD: usize = ".upload-".len() + 36;

/// What the store knows of an object that is asked for here.
#[derive(Deserialize)]
struct Internal {
    e_tag: Option<String>,
}

/// The folder with the buckets.
#[derive(Debug)]
pub(super) struct Shelf {
    root: PathBuf,
    clock: Clock,
    created: Mutex<Vec<ObjectCreated>>,
    arrivals: watch::Sender<u64>,
}

impl Shelf {
    /// Makes the buckets, and clears away what an earlier run did not finish.
    pub(super) fn open<'a>(root: &Path, buckets: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        for bucket in buckets.chain([ASIDE]) {
            fs::create_dir_all(root.join(bucket))?;
        }
        for entry in fs::read_dir(root.join(ASIDE))? {
            let entry = entry?;
            if let Some(key) = entry.file_name().to_str() {
                for sidecar in SIDECARS {
                    remove(&sidecar_path(root, ASIDE, key, sidecar))?;
                }
            }
            remove(&entry.path())?;
        }
        Ok(Self {
            root: root.to_owned(),
            clock: Clock::system(),
            created: Mutex::default(),
            arrivals: watch::channel(0).0,
        })
    }

    /// Changes whenever an object has been created.
    pub(super) fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// What was created since this was last asked, in order.
    pub(super) fn take_created(&self) -> Vec<ObjectCreated> {
        std::mem::take(&mut *self.created())
    }

    fn created(&self) -> MutexGuard<'_, Vec<ObjectCreated>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(bucket).join(key)
    }

    fn sidecar(&self, bucket: &str, key: &str, kind: &str) -> PathBuf {
        sidecar_path(&self.root, bucket, key, kind)
    }

    /// Whether there is such an object. To the store behind, a folder on the way to one would be an object as well.
    pub(super) fn has(&self, bucket: &str, key: &str) -> bool {
        self.path(bucket, key).is_file()
    }

    /// The object's `ETag`, if it is there.
    pub(super) fn e_tag(&self, bucket: &str, key: &str) -> io::Result<Option<String>> {
        if !self.has(bucket, key) {
            return Ok(None);
        }
        let kept = match fs::read(self.sidecar(bucket, key, "internal")) {
            Ok(kept) => serde_json::from_slice::<Internal>(&kept)?.e_tag,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match kept {
            Some(e_tag) => Ok(Some(e_tag)),
            // Somebody put the file there by hand.
            None => md5(&self.path(bucket, key)).map(Some),
        }
    }

    /// The objects whose key begins so, in the order of their keys.
    pub(super) fn objects(&self, bucket: &str, prefix: &str) -> io::Result<Vec<ObjectCreated>> {
        let root = self.root.join(bucket);
        let mut objects = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(key) = key(&root, &path)
                    && key.starts_with(prefix)
                    && let Some(object) = self.object(bucket, &key, Creation::Put)?
                {
                    objects.push(object);
                }
            }
        }
        objects.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(objects)
    }

    fn object(&self, bucket: &str, key: &str, creation: Creation) -> io::Result<Option<ObjectCreated>> {
        let metadata = match fs::metadata(self.path(bucket, key)) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let written = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(self.e_tag(bucket, key)?.map(|e_tag| ObjectCreated {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            size: metadata.len(),
            e_tag,
            sequencer: format!("{:016X}", written.as_nanos()),
            creation,
        }))
    }

    /// A place aside for something that is being written.
    pub(super) fn aside(&self) -> Aside<'_> {
        Aside {
            shelf: self,
            key: Uuid::new_v4().to_string(),
        }
    }

    /// The place aside that parts are joined at.
    pub(super) fn joined_aside(&self, bucket: &str, key: &str) -> Aside<'_> {
        Aside {
            shelf: self,
            key: joined_key(bucket, key),
        }
    }

    /// Moves what was written aside to its place, and has it told of. Nobody else may read or write meanwhile.
    pub(super) fn put(&self, aside: &Aside<'_>, bucket: &str, key: &str, creation: Creation) -> io::Result<()> {
        let (from, to) = (self.path(ASIDE, &aside.key), self.path(bucket, key));
        self.stamp(&from, &to)?;
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        // In this order: an object without sidecars is whole, one with another's is not.
        for sidecar in SIDECARS {
            remove(&self.sidecar(bucket, key, sidecar))?;
        }
        fs::rename(&from, &to)?;
        for sidecar in SIDECARS {
            let from = self.sidecar(ASIDE, &aside.key, sidecar);
            if from.exists() {
                fs::rename(from, self.sidecar(bucket, key, sidecar))?;
            }
        }
        if let Some(object) = self.object(bucket, key, creation)? {
            self.created().push(object);
            self.arrivals.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Gives the new file a time of its own: file systems count in steps, and the sequencer is made of it.
    fn stamp(&self, new: &Path, old: &Path) -> io::Result<()> {
        let now = SystemTime::from(self.clock.now());
        let at = match fs::metadata(old).and_then(|metadata| metadata.modified()) {
            Ok(before) => now.max(before + Duration::from_micros(1)),
            Err(_) => now,
        };
        File::options().write(true).open(new)?.set_modified(at)
    }

    /// Removes an object, and folders that nothing is left in: a key may become the name of an object that was one of a
    /// folder. Nobody else may read or write meanwhile.
    pub(super) fn delete(&self, bucket: &str, key: &str) -> io::Result<()> {
        if !self.has(bucket, key) {
            return Ok(());
        }
        let path = self.path(bucket, key);
        remove(&path)?;
        for sidecar in SIDECARS {
            remove(&self.sidecar(bucket, key, sidecar))?;
        }
        let root = self.root.join(bucket);
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != root) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Something that is being written. Dropping it removes what has not been moved to its place.
pub(super) struct Aside<'a> {
    shelf: &'a Shelf,
    key: String,
}

impl Aside<'_> {
    pub(super) fn key(&self) -> String {
        self.key.clone()
    }
}

/// Where parts are joined: the same for as long as they come in, so named after what they become.
pub(super) fn joined_key(bucket: &str, key: &str) -> String {
    hex(Md5::checksum(format!("{bucket}/{key}").as_bytes()))
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.shelf.path(ASIDE, &self.key));
        for sidecar in SIDECARS {
            let _ = fs::remove_file(self.shelf.sidecar(ASIDE, &self.key, sidecar));
        }
    }
}

/// Refuses keys that S3 takes but that are no names of files here: with `.`, `..` or nothing between two slashes, or too
/// long.
pub(super) fn check_key(bucket: &str, key: &str) -> S3Result<()> {
    let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
    if !key.split('/').all(is_name) {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidArgument,
            "Objects are files here: this key cannot be the path of one.",
        ));
    }
    let longest_sidecar = sidecar_name(bucket, key, "metadata").len() + UPLOAD;
    if longest_sidecar > LONGEST_NAME || key.split('/').any(|part| part.len() > LONGEST_NAME) {
        return Err(S3Error::with_message(
            S3ErrorCode::KeyTooLongError,
            "Objects are files here: keys can have some 120 bytes.",
        ));
    }
    Ok(())
}

/// How the store names what it keeps beside an object.
fn sidecar_name(bucket: &str, key: &str, kind: &str) -> String {
    let encoded = |name: &str| URL_SAFE_NO_PAD.encode(name);
    format!(".bucket-{}.object-{}.{kind}.json", encoded(bucket), encoded(key))
}

fn sidecar_path(root: &Path, bucket: &str, key: &str, kind: &str) -> PathBuf {
    root.join(sidecar_name(bucket, key, kind))
}

/// The key of the object in this file. None: no name that a key can have.
fn key(root: &Path, file: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = file.strip_prefix(root).ok()?.iter().map(OsStr::to_str).collect();
    Some(parts?.join("/"))
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn md5(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let mut hash = Md5::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}
