#!/bin/sh
# Fails where a tracked file names a package registry or an absolute path of somebody's machine:
# installs must work behind whatever mirror a team uses. The brackets keep this file from finding itself.
set -eu
registries='pyp[i]\.org|pythonhoste[d]|npmj[s]\.|registr[y]\.yarnpkg|--index-ur[l]|--extra-index-ur[l]|"resolve[d]": "http'
homes='(^|[ "'\''=(])/(hom[e]|User[s]|roo[t])/[a-z]'
if git grep -nIE "$registries|$homes"; then
    echo 'The lines above name a registry or a path of one machine. Remove that; `make lock` writes locks without.' >&2
    exit 1
fi
