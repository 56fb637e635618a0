;; English with the diphones of voices from abroad: kal says it, and how long and how high he
;; would speak each phone; another throat then speaks it, in the phones of its own language.
;; Called by festival.scm.

;; For each language: an English phone and the one or two that stand for it. What follows the
;; phone as `?` is too far from it to be called it.
(set! kaiwa_czech
  '((pau "#") (aa a:) (ae ? e) (ah a) (ao o:) (aw a u) (ax ? e) (ay a j) (b b) (ch c~) (d d)
    (dh ? d) (eh e) (er ? e r) (ey e j) (f f) (g g) (hh h) (ih i) (iy i:) (jh dz~) (k k) (l l)
    (m m) (n n) (ng n* g) (ow o u) (oy o j) (p p) (r r) (s s) (sh s~) (t t) (th ? s) (uh u)
    (uw u:) (v v) (w u) (y j) (z z) (zh z~)))

(set! kaiwa_finnish
  '((pau "#") (aa a:) (ae @) (ah a) (ao o:) (aw a u) (ax ? 7) (ay a i) (b b) (ch ? t S) (d d)
    (dh ? d) (eh e) (er ? 7 r) (ey e i) (f f) (g g) (hh h) (ih i) (iy i:) (jh ? d S) (k k) (l l)
    (m m) (n n) (ng N) (ow o u) (oy o i) (p p) (r r) (s s) (sh S) (t t) (th T) (uh u) (uw u:)
    (v v) (w w) (y j) (z ? s) (zh ? S)))

;; lj has neither S nor T nor w.
(set! kaiwa_plain_finnish
  (append '((ch ? t s) (jh ? d s) (sh ? s) (th ? s) (w u) (zh ? s)) kaiwa_finnish))

(set! kaiwa_italian
  '((pau "#") (aa a1) (ae ? E1) (ah a) (ao O1) (aw a u) (ax ? e) (ay a i) (b b) (ch tS) (d d)
    (dh ? d) (eh E) (er ? E r) (ey e i) (f f) (g g) (hh ? "#") (ih i) (iy i1) (jh dZ) (k k) (l l)
    (m m) (n n) (ng ng g) (ow o u) (oy o i) (p p) (r r) (s s) (sh S) (t t) (th ? t) (uh u) (uw u1)
    (v v) (w w) (y j) (z z) (zh ? dZ)))

(set! kaiwa_hindi
  '((pau pau) (aa aa) (ae ? eh) (ah a) (ao aw) (aw a uh) (ax a) (ay ay) (b b) (ch ch) (d D)
    (dh ? dh) (eh eh) (er ? a r) (ey ee) (f f) (g g) (hh h) (ih ih) (iy iy) (jh j) (k k) (l l)
    (m m) (n n) (ng n g) (ow oo) (oy oo ih) (p p) (r r) (s s) (sh sh) (t T) (th ? th) (uh uh)
    (uw uw) (v v) (w v) (y y) (z ? s) (zh ? sh)))

;; Diphones that a language lacks, by the phones that take their place: Czech ends no word with a
;; voiced consonant, Finnish none with many.
(set! kaiwa_czech_alternates '((z s) (g k) (d t) (v f) (b p) (dz~ c~) (i: j) (u v) (u: v) (a: a)
                               (o: o) (e a)))
(set! kaiwa_finnish_alternates '((a: a) (i: i) (u: u) (o: o) (7 e) (d t) (N n) (v u) (b p) (g k)))
(set! kaiwa_italian_alternates '((w u) (j i) (u1 u) (i1 i) (a1 a) (E1 E) (O1 o) (dZ d) (tS t)))

;; The voice, its language's phones, what stands for lacking diphones, where its diphones are.
(set! kaiwa_voices_abroad
  (list
    (list 'czech_dita kaiwa_czech kaiwa_czech_alternates "czech/czech_dita/group/dita.group")
    (list 'czech_krb kaiwa_czech kaiwa_czech_alternates "czech/czech_krb/group/krb.group")
    (list 'czech_machac kaiwa_czech kaiwa_czech_alternates "czech/czech_machac/group/machac.group")
    (list 'czech_ph kaiwa_czech kaiwa_czech_alternates "czech/czech_ph/group/ph.group")
    (list 'suo_fi_lj_diphone kaiwa_plain_finnish kaiwa_finnish_alternates
          "finnish/suo_fi_lj_diphone/group/ljlpc.group")
    (list 'hy_fi_mv_diphone kaiwa_finnish kaiwa_finnish_alternates
          "finnish/hy_fi_mv_diphone/group/mvlpc.group")
    (list 'lp_diphone kaiwa_italian kaiwa_italian_alternates
          "italian/lp_diphone/group/lp_diphone.group")
    (list 'pc_diphone kaiwa_italian kaiwa_italian_alternates
          "italian/pc_diphone/group/pc_diphone.group")
    (list 'hindi_NSK_diphone kaiwa_hindi nil "hindi/hindi_NSK_diphone/group/NSKlpc.group")))

(define (kaiwa_voice_abroad voice)
  "Speaks as kal does until the sound, which comes from this voice's diphones."
  (voice_kal_diphone)
  (set! kaiwa_phones_abroad (cadr voice))
  (let ((silence (cadr (assoc 'pau kaiwa_phones_abroad))) (name (car voice)))
    (set! kaiwa_diphones
      (us_diphone_init
        (list (list 'name name)
              (list 'index_file (path-append kaiwa_voice_folder (car (cdr (cdr (cdr voice))))))
              '(grouped "true")
              (list 'default_diphone (string-append silence "-" silence))
              (list 'alternates_left (car (cdr (cdr voice))))
              (list 'alternates_right (car (cdr (cdr voice)))))))))

(define (kaiwa_synth_abroad utterance)
  (mapcar (lambda (module) (module utterance))
    (list Initialize Text Token_POS Token POS Phrasify Word Pauses Intonation PostLex Duration
          Int_Targets))
  (kaiwa_print_segments utterance)
  (mapcar kaiwa_become (utt.relation.items utterance 'Segment))
  (us_db_select kaiwa_diphones)
  (set! UniSyn_module_hooks nil)
  (Wave_Synth utterance))

(define (kaiwa_spoken_as segment)
  "Gives the phones abroad, after a ? if they are far from the English one."
  (cdr (assoc_string (item.name segment) kaiwa_phones_abroad)))

(define (kaiwa_become segment)
  (let ((phones (kaiwa_spoken_as segment))
        (start (item.feat segment "segment_start"))
        (end (item.feat segment "segment_end")))
    (if (eq? '? (car phones)) (set! phones (cdr phones)))
    (item.set_name segment (car phones))
    (if (cdr phones)
        (begin
          (item.set_feat segment "end" (+ start (* 0.6 (- end start))))
          (item.insert segment (list (cadr phones) (list (list 'end end))) 'after)))))
