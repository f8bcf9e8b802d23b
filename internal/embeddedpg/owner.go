package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// owner is the user who owns the cluster and runs the server. PostgreSQL refuses to
// run as root.
type owner struct {
	name string
	// credential is nil if the owner is the user of this process.
	credential *syscall.Credential
}

// ownerOf returns the user of this process. For root it returns the user who already
// owns the cluster, or else the user postgres or nobody.
func ownerOf(dirs layout) (owner, error) {
	info, err := os.Stat(dirs.data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return owner{}, fmt.Errorf("the data directory can't be used: %w; choose another with --data-dir", err)
	}
	var existing *uint32
	if err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			existing = &stat.Uid
		}
	}

	if os.Geteuid() != 0 {
		current := strconv.Itoa(os.Geteuid())
		if existing != nil && strconv.Itoa(int(*existing)) != current {
			return owner{}, fmt.Errorf("%s belongs to the user with the id %d: run as that user, or choose another --data-dir",
				dirs.data, *existing)
		}
		return owner{name: current}, nil
	}
	if existing != nil && *existing != 0 {
		found, err := user.LookupId(strconv.Itoa(int(*existing)))
		if err != nil {
			return owner{}, fmt.Errorf("%s belongs to a user without a name: %w", dirs.data, err)
		}
		return ownerFrom(found)
	}
	for _, name := range []string{"postgres", "nobody"} {
		if found, err := user.Lookup(name); err == nil {
			return ownerFrom(found)
		}
	}
	return owner{}, errors.New("PostgreSQL doesn't run as root, and there is neither a user postgres nor nobody: " +
		"run as another user, or set DATABASE_URL")
}

func ownerFrom(found *user.User) (owner, error) {
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return owner{}, fmt.Errorf("reading the ids of the user %s: %w", found.Username, err)
	}
	return owner{
		name:       found.Username,
		credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
	}, nil
}

// chown changes the owner of a file or directory to o.
func (o owner) chown(path string) error {
	if o.credential == nil {
		return nil
	}
	return os.Lchown(path, int(o.credential.Uid), int(o.credential.Gid))
}

// chownFile is chown for an open file, whatever its name refers to by now.
func (o owner) chownFile(file *os.File) error {
	if o.credential == nil {
		return nil
	}
	return file.Chown(int(o.credential.Uid), int(o.credential.Gid))
}

// checkAccess returns an error if the owner can't enter a directory, for example one
// in the home of root, which other users can't enter.
func (o owner) checkAccess(ctx context.Context, dir string) error {
	if o.credential == nil {
		return nil
	}
	enter := exec.CommandContext(ctx, "/bin/sh", "-c", `cd "$1"`, "sh", dir)
	enter.Dir = "/"
	enter.SysProcAttr = &syscall.SysProcAttr{Credential: o.credential}
	if err := enter.Run(); err != nil {
		return fmt.Errorf("PostgreSQL would run as the user %s, who can't enter %s: "+
			"choose a --data-dir that everybody may pass to, such as /var/lib/learninglog", o.name, dir)
	}
	return nil
}
