"""The recordings of MAVC100, their numbers of clips, and the split.

Clip i of a recording, counted from 0, is the file `<recording>_<i>`. The split keeps all recordings of a performer
together (several performers have two to four) and each split's amounts of speech and singing close to its share of the
clips: 145 for training, 15 for validation and 40 for testing, or 72.5, 7.5 and 20 %. The authors' own split is not
published.
"""

from typing import NamedTuple


class Recording(NamedTuple):
  """A recording of MAVC100: its name, its number of clips, and its split."""

  name: str
  num_clips: int
  split: str


RECORDINGS = (
  Recording("Adam_Lambert_Performs_Closer_To_You", 10, "train"),
  Recording("Angele_Van_Laeken_performs_That_Look_You_Give_That_Guy", 6, "train"),
  Recording("Annie_Lennox_performs_I_Save_the_World_Today_", 8, "validation"),
  Recording("BTS_V_finally_sings_EUPHORIA_by_Jungkook", 4, "train"),
  Recording("Ben_Platt_performs_I_Want_To_Hold_Your_Hand", 5, "train"),
  Recording("Cassper_Nyovest_performs_Harambe", 8, "train"),
  Recording("Charlie_Puth_Performs_See_You_Again", 8, "train"),
  Recording("Ellie_Goulding_performs_Burn", 9, "test"),
  Recording("Jacky_Cheung_Performs_The_Sound_of_Upstairs", 8, "test"),
  Recording("Jess_Glynne_performs_123", 8, "train"),
  Recording("Jess_Glynne_performs_Thursday", 9, "train"),
  Recording("Jessie_J_performs_Bang_Bang", 7, "train"),
  Recording("Jessie_J_performs_Flashlight", 9, "train"),
  Recording("Lady_Gaga_performs_Smile", 5, "test"),
  Recording("Lisa_Mishra_performs_Nai_Chaida", 3, "validation"),
  Recording("Lizzo_performs_A_Change_Is_Gonna_Come", 5, "train"),
  Recording("Sebastian_Yatra_performs_Un_Año", 5, "train"),
  Recording("bts_jungkook_sing_we_dont_talk_anymore_in_vlive", 4, "validation"),
  Recording("fengtimmo_qingshenshenyumengmeng", 9, "train"),
  Recording("fengtimo_dainiqulvxing", 7, "train"),
  Recording("fengtimo_guoke", 8, "train"),
  Recording("fengtimo_nidedaan", 7, "train"),
  Recording("lianghong_youyizhongsinianjiaoyongyuan", 9, "test"),
  Recording("taehyung_singing_someone_you_loved_on_vlive", 5, "train"),
  Recording("tuziya_yibaiwangekeneng", 9, "test"),
  Recording("xiaoxiami_chuangtianya", 7, "train"),
  Recording("xiaoxiami_niniushenmeniu", 10, "train"),
  Recording("xiaoxiami_yongbaoniliqu", 8, "train"),
)
