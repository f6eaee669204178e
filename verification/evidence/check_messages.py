"""What a check can find, in English and in Chinese, and how much each finding weighs.

A reason either refutes what its axis asserts, or prevents the axis from being judged, or is a note. Light: texts
only.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Weight(StrEnum):
    """What a reason does to its axis."""

    REFUTES = "refutes"
    PREVENTS = "prevents"
    NOTE = "note"


class Message(NamedTuple):
    """The texts may name `file` and the keys of the reason's data."""

    weight: Weight
    en: str
    zh: str


# Data values that are words rather than numbers or names; English shows them as they are.
WORDS_ZH = {
    "change": "变化量",
    "relative change": "相对变化",
    "level": "改造后水平",
    "met": "达标",
    "not_met": "未达标",
    "inconclusive": "尚无定论",
    "invalid_data": "数据无效",
    "not_verifiable": "无法核证",
    "consistent": "与数据一致",
    "overstated": "申报偏高",
    "understated": "申报偏低",
    "plan": "方案",
    "baseline": "基准期",
    "run": "核算",
}

_R, _P, _N = Weight.REFUTES, Weight.PREVENTS, Weight.NOTE

MESSAGES = {
    # Any axis
    "NOT_RELIABLE": Message(_P, "{file} does not hold, so this cannot be judged", "{file} 不可信，无法判断"),
    "UNREADABLE": Message(_P, "{file} cannot be read: {detail}", "{file} 无法读取：{detail}"),
    # bytes
    "NO_PACKAGE": Message(_P, "the package cannot be read: {detail}", "证据包无法读取：{detail}"),
    "NO_ARCHIVE": Message(
        _P,
        "this file is not a .zip archive; give the folder that holds manifest.json, or the .zip as it was downloaded",
        "该文件不是 .zip 压缩包；请指定 manifest.json 所在的文件夹，或下载得到的 .zip 原文件",
    ),
    "ARCHIVE_CUT": Message(
        _P,
        "this is not a whole .zip archive in the form of a package: it was cut short, or holds a comment; "
        "copy it again from its source",
        "这不是完整的证据包 .zip：文件被截断或含有注释；请从来源重新复制",
    ),
    "ARCHIVE_COMPRESSED": Message(
        _P,
        "the .zip is compressed or encrypted (it was packed by another program); unpack it and check the folder",
        ".zip 经过压缩或加密（由其他程序打包）；请解压后检查文件夹",
    ),
    "NO_MANIFEST": Message(
        _P,
        "{file} is not there, so this is no whole package; give the folder that holds it, "
        "or the .zip as it was downloaded",
        "缺少 {file}，不是完整的证据包；请指定该文件所在的文件夹，或下载得到的 .zip 原文件",
    ),
    "ARCHIVE_FORM": Message(
        _P,
        "the .zip holds bytes that no signature covers (it was changed, or packed by another program); "
        "unpack it and check the folder",
        ".zip 中含有未被签名覆盖的字节（被改动过，或由其他程序打包）；请解压后检查文件夹",
    ),
    "NO_SUCH_FILE": Message(
        _P, "{file} is not there; this is not a whole package", "缺少 {file}；这不是完整的证据包"
    ),
    "SCHEMA_UNKNOWN": Message(
        _P,
        "{file} has format {found}, this program reads {known}; install the version of RetroProof that reads it",
        "{file} 的格式为 {found}，本程序只能读取 {known}；请安装对应版本的 RetroProof",
    ),
    "MALFORMED": Message(
        _R, "{file} is not what RetroProof writes: {detail}", "{file} 不是 RetroProof 写出的内容：{detail}"
    ),
    "UNSAFE_NAME": Message(_R, "{file} is not a name that a package may hold", "{file} 不是证据包允许的文件名"),
    "UNLISTED": Message(_R, "{file} is not listed in manifest.json", "{file} 未列入 manifest.json"),
    "MISSING": Message(_R, "{file} is missing", "缺少 {file}"),
    "ALTERED": Message(
        _R, "{file} was changed: it is not what manifest.json lists", "{file} 被改动：与 manifest.json 所列不符"
    ),
    "MANIFEST_DISAGREES": Message(
        _R,
        "{file} or {other} was changed: {other} was made over another manifest",
        "{file} 或 {other} 被改动：{other} 对应的是另一份清单",
    ),
    "STATEMENT_SIGNATURE": Message(
        _R, "{file} is not signed by the engine's key, or was changed", "{file} 没有引擎密钥的有效签名，或被改动"
    ),
    "STATEMENT_DISAGREES": Message(
        _R, "{file} does not say what the log says about this run", "{file} 与日志中本次核算的记录不符"
    ),
    "EXTRA_SIGNATURE": Message(
        _P, "{file} bears a signature by an unknown key", "{file} 带有未知密钥的签名"
    ),
    "CHECKPOINT_SIGNATURE": Message(
        _R, "{file} is not signed by the log's key, or was changed", "{file} 没有日志密钥的有效签名，或被改动"
    ),
    "INCLUSION_FAILS": Message(
        _R,
        "{file}: the {entry} entry is not in the log that checkpoint states; one of the two was changed",
        "{file}：checkpoint 所述日志中没有该条目（{entry}）；二者之一被改动",
    ),
    "ENTRY_DISAGREES": Message(
        _R, "{file}: the log's {entry} entry is about another {field}", "{file}：日志条目（{entry}）的 {field} 不符"
    ),
    "DERIVED_DISAGREES": Message(
        _R, "{file} does not follow from {source}", "{file} 与 {source} 推导出的内容不符"
    ),
    # signer
    "KEYS_FROM_PACKAGE": Message(
        _N,
        "KEYS TAKEN FROM THE PACKAGE: compare {name} {key} with the one that its owner publishes, or use --trust",
        "密钥取自证据包：请将 {name} {key} 与其所有者公布的密钥核对，或使用 --trust",
    ),
    "DEVICE_KEY_VOUCHED": Message(
        _N,
        "the trust file names no device; {name} {key} is vouched for by the engine's key",
        "信任文件未列出设备；{name} {key} 由引擎密钥担保",
    ),
    "FOREIGN_KEY": Message(
        _R,
        "{name} signed with {key}, which is not the key that you trust under this name",
        "{name} 使用的密钥 {key} 不是您在该名称下信任的密钥",
    ),
    "UNTRUSTED_NAME": Message(
        _P, "your trust file has no key for {name} (here {key})", "您的信任文件中没有 {name} 的密钥（此处为 {key}）"
    ),
    "DEVICE_KEY_UNKNOWN": Message(
        _R,
        "{file} is signed by a key that keys.json does not list for this device",
        "{file} 的签名密钥不在 keys.json 的该设备名下",
    ),
    "DEVICE_KEY_EXPIRED": Message(
        _R,
        "{file} was signed at {signed_at}, when its key did not count",
        "{file} 的签名时间为 {signed_at}，当时该密钥无效",
    ),
    "BATCH_SIGNATURE": Message(_R, "{file}: the device's signature does not hold", "{file}：设备签名无效"),
    # completeness
    "NO_BATCHES": Message(_R, "there are no signed batches", "没有任何已签名批次"),
    "BATCH_MISPLACED": Message(
        _R, "{file} is a batch of another device, epoch or sequence", "{file} 是其他设备、时期或序号的批次"
    ),
    "CHAIN_BROKEN": Message(
        _R,
        "{file} does not follow the batch before it: the hash chain is broken",
        "{file} 与前一批次不衔接：哈希链断裂",
    ),
    "BATCHES_MISSING": Message(
        _N,
        "{device} epoch {epoch}: batches {first} to {last} are missing; gaps.json admits it",
        "{device} 时期 {epoch}：缺少批次 {first} 至 {last}；gaps.json 已如实列出",
    ),
    "READINGS_DIFFER": Message(
        _R,
        "{file} line {line} is not what the signed batches hold",
        "{file} 第 {line} 行与已签名批次不符",
    ),
    "HEADS_DIFFER": Message(
        _R,
        "the {entry} entry of the log names other batches than those that are here ({device} epoch {epoch})",
        "日志条目（{entry}）所列批次与此处不符（{device} 时期 {epoch}）",
    ),
    # plausibility
    "DATA_FINDING_ERROR": Message(_R, "{file}: {finding}", "{file}：{finding}"),
    "DATA_FINDING_WARNING": Message(_N, "{file}: {finding}", "{file}：{finding}"),
    "POINT_DIFFERS": Message(
        _R,
        "{file} calls point {point} {found}, the plan says {planned}",
        "{file} 中测点 {point} 为 {found}，而方案为 {planned}",
    ),
    "POINT_TWICE": Message(
        _R,
        "point {point} comes from more than one device, and the plan does not say which",
        "测点 {point} 来自多台设备，而方案未指明哪一台",
    ),
    # recomputation
    "PARQUET_NOT_COMPARED": Message(
        _N,
        "{file} is compared with the signed batches only with --recompute",
        "{file} 仅在使用 --recompute 时才与已签名批次比对",
    ),
    "ANALYSIS_MISSING": Message(
        _P,
        "{module} is not installed: pip install 'retroproof[analysis]'",
        "未安装 {module}：pip install 'retroproof[analysis]'",
    ),
    "OTHER_ENGINE": Message(
        _P,
        "{file} was made by engine {found} and comes out differently with {known}: "
        "pip install 'retroproof[analysis]=={found}'",
        "{file} 由引擎 {found} 生成，用 {known} 重算结果不同：pip install 'retroproof[analysis]=={found}'",
    ),
    "RESULT_DIFFERS": Message(
        _R,
        "{file} is not what the engine makes of the signed batches; {field} differs",
        "{file} 与引擎根据已签名批次重算的结果不符；不同之处：{field}",
    ),
    "OTHER_BUILD": Message(
        _N,
        "{file} names another build of engine {version} (sources {found}; here {known}): recompute with that build, or "
        "have the run repeated with a released one",
        "{file} 载明结果由引擎 {version} 的另一构建生成（源码摘要 {found}；本机 {known}）：请用该构建重算，"
        "或用正式发布的版本重新核算",
    ),
    "BUILD_NOT_STATED": Message(
        _N,
        "{file} does not say which build of engine {version} made the result; if it was one before the release, have "
        "the run repeated with the released one",
        "{file} 未载明结果由引擎 {version} 的哪一构建生成；若为发布前的构建，请用正式发布的版本重新核算",
    ),
    "RECOMPUTED": Message(
        _N,
        "{readings} {readings:reading|readings} from {batches} signed {batches:batch|batches} give {file} again to the "
        "last digit",
        "由 {batches} 个已签名批次中的 {readings} 个读数重算，结果与 {file} 完全一致",
    ),
    # claim
    "RESULT_DISAGREES": Message(
        _R, "{file}: {field} is {found}, but should be {expected}", "{file}：{field} 为 {found}，应为 {expected}"
    ),
    "OTHER_RULES": Message(
        _P,
        "{file}: the verdict {state} on {measure} does not follow from its findings by the rules of this engine, but "
        "may by those of the engine that made it: check it with the version that method.json names",
        "{file}：按本引擎的规则，指标 {measure} 的结论{state}无法由其发现得出；生成该结果的引擎可能采用其他规则，"
        "请用 method.json 所载版本检查",
    ),
    "VERDICT": Message(
        _N,
        "verdict {state} on {measure}: {figure} {value}, limit {limit} {unit}",
        "指标 {measure} 的结论{state}：{figure} {value}，限值 {limit} {unit}",
    ),
    "CLAIM_ASSESSED": Message(
        _N, "the enterprise's claim of {value} {unit} is {assessment}", "企业申报值 {value} {unit}：{assessment}"
    ),
    "ORDER_WRONG": Message(
        _R,
        "{file}: the log must hold the plan before the baseline and the baseline before the run",
        "{file}：日志中方案必须先于基准期、基准期必须先于核算",
    ),
    "BASELINE_LATE": Message(
        _R,
        "baseline logged late: {file} was there when the baseline was locked, and already holds readings of the "
        "reporting period (from {time})",
        "基准期存证过晚：锁定基准期时 {file} 已存在，且已含报告期读数（自 {time}）",
    ),
    "BASELINE_LATE_MARKED": Message(
        _N,
        "baseline logged late, as the result itself says: {file} holds readings of the reporting period (from {time})",
        "基准期存证过晚，结果中已注明：{file} 已含报告期读数（自 {time}）",
    ),
    "BASELINE_ADDED": Message(
        _R,
        "{file} was added after the baseline was locked, and holds new readings of the baseline (from {time})",
        "{file} 在基准期锁定之后加入，却含有新的基准期读数（自 {time}）",
    ),
}  # fmt: skip
